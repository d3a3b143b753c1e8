import { Hono } from 'hono'
import { z } from 'zod'
import { type Env, type Faults, faulty } from '../faults.ts'
import { type Answer, type Brain, ModelError, pieces, requireKey } from './brain.ts'
import { bearerOf, eventStream, lastUserText, readBody } from './http.ts'

const part = z.looseObject({ text: z.string().optional() })
const generateInput = z.looseObject({
  contents: z.array(z.looseObject({ role: z.string().optional(), parts: z.array(part) })).min(1),
})

const statuses: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

function errorBody(status: number, message: string): object {
  return { error: { code: status, message, status: statuses[status] ?? 'INTERNAL' } }
}

/** https://ai.google.dev/api/generate-content; without alt=sse a stream is one JSON array, as at Google. */
export function geminiRoutes(brain: Brain, faults: Faults): Hono<Env> {
  const app = new Hono<Env>()
  app.use(
    '*',
    faulty(faults, 'gemini', (status) => errorBody(status, 'Sandbox fault')),
  )

  app.get('/:version{v1beta|v1}/models', (c) => {
    requireKey(c.req.header('x-goog-api-key') ?? c.req.query('key') ?? '')
    return c.json({ models: [{ name: 'models/gemini-sandbox', displayName: 'Sandbox' }] })
  })

  // Google serves both; its newer clients ask for v1.
  app.post('/:version{v1beta|v1}/models/:call', async (c) => {
    const [model = '', verb] = c.req.param('call').split(':')
    if (verb !== 'generateContent' && verb !== 'streamGenerateContent')
      return c.json(errorBody(404, 'Not found'), 404)
    const { body, input } = await readBody(c, generateInput)
    const spoken = input.contents.filter((entry) => (entry.role ?? 'user') === 'user')
    const asked = input.contents.findLastIndex(
      ({ role = 'user', parts }) => role === 'user' && lastUserText([parts]) !== '',
    )
    const answer = await brain.answer(
      {
        provider: 'gemini',
        model,
        path: c.req.path,
        key: c.req.header('x-goog-api-key') ?? c.req.query('key') ?? bearerOf(c),
        body,
        lastUserText: lastUserText(spoken.map((entry) => entry.parts)),
        afterTools: input.contents
          .slice(asked)
          .some(({ parts }) => parts.some((entry) => 'functionResponse' in entry)),
      },
      c.req.raw.signal,
    )
    if (verb === 'generateContent') return c.json(toChunk(answer, model, parts(answer), true))
    const chunks = toChunks(answer, model)
    return c.req.query('alt') === 'sse'
      ? eventStream(
          chunks.map((data) => ({ data })),
          answer,
          { data: { error: { code: 500, message: 'Internal error', status: 'INTERNAL' } } },
        )
      : c.json(chunks)
  })

  app.onError((error, c) => {
    if (!(error instanceof ModelError)) throw error
    // Google answers a bad key with 400, not 401.
    if (error.status === 401) {
      return c.json(errorBody(400, 'API key not valid. Please pass a valid API key.'), 400)
    }
    return c.json(errorBody(error.status, error.message), error.status as 500)
  })
  // A mounted application's notFound is never asked.
  app.all('*', (c) => c.json(errorBody(404, 'Not found'), 404))
  return app
}

function parts(answer: Answer): object[] {
  if (answer.toolCalls.length === 0) return [{ text: answer.text }]
  return answer.toolCalls.map(({ id, name, arguments: args }) => ({ functionCall: { id, name, args } }))
}

function toChunks(answer: Answer, model: string): object[] {
  const spoken: object[][] =
    answer.toolCalls.length > 0 ? [parts(answer)] : pieces(answer.text).map((text) => [{ text }])
  const all = spoken.length > 0 ? spoken : [[{ text: '' }]]
  return all.map((some, index) => toChunk(answer, model, some, index === all.length - 1))
}

function toChunk(answer: Answer, model: string, some: object[], last: boolean): object {
  const { inputTokens, outputTokens } = answer.usage
  return {
    candidates: [
      { content: { role: 'model', parts: some }, ...(last ? { finishReason: 'STOP' } : {}), index: 0 },
    ],
    usageMetadata: {
      promptTokenCount: inputTokens,
      ...(last ? { candidatesTokenCount: outputTokens } : {}),
      totalTokenCount: inputTokens + (last ? outputTokens : 0),
    },
    modelVersion: model,
    responseId: answer.id,
  }
}
