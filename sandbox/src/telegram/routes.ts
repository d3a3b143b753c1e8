import { type Context, Hono } from 'hono'
import { type Env, type Faults, faulty } from '../faults.ts'
import type { Bot } from './bot.ts'
import { BotApiError, faultEnvelope } from './errors.ts'
import { methods } from './methods.ts'

/** The Bot API (https://core.telegram.org/bots/api) as one application, for any token. */
export function telegramRoutes(bot: Bot, faults: Faults): Hono<Env> {
  const app = new Hono<Env>()
  bot.webhook.onCall = ({ method, ...body }: { method?: unknown }) => {
    const name = String(method)
    void methods[name.toLowerCase()]?.({ bot, token: '', request: { method: name, body } })
  }
  app.use('*', faulty(faults, 'telegram', faultEnvelope))

  app.get('/file/:bot/*', (c) => {
    const path = c.req.path.split('/').slice(4).join('/')
    const file = bot.files.atPath(path)
    if (!file) return c.json(faultEnvelope(404, 0), 404)
    return new Response(new Uint8Array(file.bytes), { headers: { 'content-type': file.mimeType } })
  })

  app.on(['GET', 'POST'], '/:bot{bot[^/]+}/:method', async (c) => {
    const method = methods[c.req.param('method').toLowerCase()]
    if (!method) return c.json(faultEnvelope(404, 0), 404)
    const request = { method: c.req.param('method'), body: await parameters(c) }
    return c.json({ ok: true, result: await method({ bot, token: c.req.param('bot').slice(3), request }) })
  })

  app.onError((error, c) => {
    if (!(error instanceof BotApiError)) throw error
    return c.json({ ok: false, error_code: error.code, description: error.description }, error.code as 400)
  })
  // A mounted application's notFound is never asked.
  app.all('*', (c) => c.json(faultEnvelope(404, 0), 404))
  return app
}

/** The four ways the Bot API takes parameters: query string, urlencoded, multipart and JSON. */
async function parameters(c: Context<Env>): Promise<Record<string, unknown>> {
  const query = c.req.query()
  const type = c.req.header('content-type') ?? ''
  if (c.req.method === 'GET') return query
  if (type.includes('json')) {
    const text = await c.req.text()
    if (text === '') return query
    const body = parseJson(text)
    return { ...query, ...body }
  }
  if (type.includes('form')) return { ...query, ...(await c.req.parseBody()) }
  return query
}

function parseJson(text: string): object {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null) return body
  } catch {
    // Answered below like any other body that is no object.
  }
  throw new BotApiError(400, "Bad Request: can't parse JSON object")
}
