import { Hono } from 'hono'
import { type Env, type Faults, faulty } from '../faults.ts'
import { type Brain, ModelError, requireKey } from './brain.ts'
import { bearerOf } from './http.ts'
import { chatCompletions } from './openai-chat.ts'
import { responses } from './openai-responses.ts'

function errorBody(status: number, message: string): object {
  const type =
    status === 401 || status < 429 ? 'invalid_request_error' : status === 429 ? 'requests' : 'server_error'
  const code = status === 401 ? 'invalid_api_key' : status === 429 ? 'rate_limit_exceeded' : null
  return { error: { message, type, param: null, code } }
}

/** OpenAI's two text APIs behind one error shape. */
export function openaiRoutes(brain: Brain, faults: Faults): Hono<Env> {
  const app = new Hono<Env>()
  app.use(
    '*',
    faulty(faults, 'openai', (status) => errorBody(status, 'Sandbox fault')),
  )
  app.post('/v1/chat/completions', chatCompletions(brain))
  app.post('/v1/responses', responses(brain))
  app.post('/v1/audio/transcriptions', async (c) => {
    requireKey(bearerOf(c))
    const { file, model } = await c.req.parseBody()
    if (!(file instanceof File)) throw new ModelError(400, 'file: required')
    return c.json({
      text: brain.hear({ model: String(model), bytes: file.size, path: c.req.path, key: bearerOf(c) }),
    })
  })
  app.get('/v1/models', (c) => {
    requireKey(bearerOf(c))
    return c.json({ object: 'list', data: [{ id: 'gpt-sandbox', object: 'model', owned_by: 'sandbox' }] })
  })
  app.onError((error, c) => {
    if (!(error instanceof ModelError)) throw error
    return c.json(errorBody(error.status, error.message), error.status as 500)
  })
  // A mounted application's notFound is never asked.
  app.all('*', (c) => c.json(errorBody(404, `Unknown request URL: ${c.req.method} ${c.req.path}`), 404))
  return app
}
