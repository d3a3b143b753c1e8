import { Hono } from 'hono'
import { z } from 'zod'
import { type Env, type Faults, faulty } from '../faults.ts'
import { type Answer, type Brain, countTokens, ModelError, pieces, requireKey } from './brain.ts'
import { bearerOf, content, eventStream, lastUserText, readBody, type ServerSentEvent } from './http.ts'

const messagesInput = z.looseObject({
  model: z.string(),
  max_tokens: z.int().positive(),
  stream: z.boolean().optional(),
  messages: z.array(z.looseObject({ role: z.string(), content })).min(1),
})
const countInput = messagesInput.omit({ max_tokens: true })

const errorTypes: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

const overloaded = {
  event: 'error',
  data: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
}

function errorBody(status: number, message: string): object {
  const type = errorTypes[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error')
  return { type: 'error', error: { type, message }, request_id: 'req_sandbox' }
}

/** The Messages API (https://platform.claude.com/docs/en/api/messages). */
export function anthropicRoutes(brain: Brain, faults: Faults): Hono<Env> {
  const app = new Hono<Env>()
  app.use(
    '*',
    faulty(faults, 'anthropic', (status) => errorBody(status, 'Sandbox fault')),
  )

  app.post('/v1/messages', async (c) => {
    if (c.req.header('anthropic-version') === undefined)
      throw new ModelError(400, 'anthropic-version: header is required')
    const { body, input } = await readBody(c, messagesInput)
    if (input.messages.some(({ content }) => hasEmptyText(content)))
      throw new ModelError(400, 'messages: text content blocks must be non-empty')
    const spoken = input.messages.filter((message) => message.role === 'user')
    // OpenClaw puts words of its own behind the tools' results.
    const asked = input.messages.findLastIndex(
      ({ role, content }) => role === 'user' && lastUserText([content]) !== '',
    )
    const afterTools = input.messages
      .slice(asked)
      .some(({ content }) => Array.isArray(content) && content.some((part) => part.type === 'tool_result'))
    const answer = await brain.answer(
      {
        provider: 'anthropic',
        model: input.model,
        path: c.req.path,
        key: c.req.header('x-api-key') ?? bearerOf(c),
        body,
        lastUserText: lastUserText(spoken.map((message) => message.content)),
        afterTools,
      },
      c.req.raw.signal,
    )
    const message = toMessage(answer, input.model)
    return input.stream ? eventStream(toEvents(message, answer), answer, overloaded) : c.json(message)
  })

  app.post('/v1/messages/count_tokens', async (c) => {
    const { body } = await readBody(c, countInput)
    return c.json({ input_tokens: countTokens(JSON.stringify(body)) })
  })

  app.get('/v1/models', (c) => {
    requireKey(c.req.header('x-api-key') ?? '')
    const data = [{ type: 'model', id: 'claude-sandbox', display_name: 'Sandbox' }]
    return c.json({ data, has_more: false, first_id: 'claude-sandbox', last_id: 'claude-sandbox' })
  })

  app.onError((error, c) => {
    if (!(error instanceof ModelError)) throw error
    return c.json(errorBody(error.status, error.message), error.status as 500)
  })
  // A mounted application's notFound is never asked.
  app.all('*', (c) => c.json(errorBody(404, 'Not found'), 404))
  return app
}

/** The API takes neither an empty text nor a block of one. */
function hasEmptyText(value: z.infer<typeof content>): boolean {
  if (typeof value === 'string') return value === ''
  return value.some((part) => part.type === 'text' && part.text === '')
}

function toMessage(answer: Answer, model: string) {
  const blocks = [
    ...(answer.text === '' ? [] : [{ type: 'text' as const, text: answer.text }]),
    ...answer.toolCalls.map((call) => ({
      type: 'tool_use' as const,
      id: `toolu_${call.id}`,
      name: call.name,
      input: call.arguments,
    })),
  ]
  return {
    id: `msg_${answer.id}`,
    type: 'message',
    role: 'assistant',
    model,
    content: blocks,
    stop_reason: answer.toolCalls.length > 0 ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: {
      input_tokens: answer.usage.inputTokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: answer.usage.outputTokens,
    },
  }
}

function toEvents(message: ReturnType<typeof toMessage>, answer: Answer): ServerSentEvent[] {
  const { inputTokens, outputTokens } = answer.usage
  const start = { ...message, content: [], stop_reason: null, usage: { ...message.usage, output_tokens: 1 } }
  const blocks = message.content.flatMap((block, index): { type: string; [field: string]: unknown }[] => {
    const deltas =
      block.type === 'text'
        ? pieces(block.text).map((text) => ({ type: 'text_delta', text }))
        : [{ type: 'input_json_delta', partial_json: JSON.stringify(block.input) }]
    const empty = block.type === 'text' ? { type: 'text', text: '' } : { ...block, input: {} }
    return [
      { type: 'content_block_start', index, content_block: empty },
      ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
      { type: 'content_block_stop', index },
    ]
  })
  const delta = { stop_reason: message.stop_reason, stop_sequence: null }
  const usage = { input_tokens: inputTokens, output_tokens: outputTokens }
  return [
    { type: 'message_start', message: start },
    ...blocks,
    { type: 'message_delta', delta, usage },
    { type: 'message_stop' },
  ].map((data) => ({ event: data.type, data }))
}
