import { timingSafeEqual } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { type Env, faulty } from '../faults.ts'
import type { Account } from './account.ts'
import { contentRoutes, metaOf } from './content-routes.ts'
import { errorBody, faultBody, notFound, TwilioError } from './errors.ts'
import { fileOf, messageResource } from './messages.ts'
import { createMessage, showTyping } from './outgoing.ts'
import { senderResource, updateSender } from './senders.ts'

/** What of api.twilio.com, messaging.twilio.com and content.twilio.com a WhatsApp sender needs, under one root. */
export function twilioRoutes(account: Account): Hono<Env> {
  const app = new Hono<Env>()
  app.use(
    '*',
    faulty(account.faults, 'twilio', (status, _retryAfter, code) => faultBody(status, code)),
  )
  app.use('*', async (c, next) => {
    if (!isOurs(account, c.req.header('authorization'))) {
      return c.json(errorBody(401, 20003, 'Authenticate'), 401)
    }
    return next()
  })

  const messages = '/2010-04-01/Accounts/:account/Messages'
  app.post(`${messages}.json`, async (c) => {
    requireAccount(account, c)
    const message = createMessage(account, c.req.path, await form(c))
    return c.json(messageResource(message, account.accountSid), 201)
  })
  app.get(`${messages}.json`, (c) => {
    requireAccount(account, c)
    const size = Math.min(Number(c.req.query('PageSize') ?? 50) || 50, 1000)
    const listed = account.messages.list({ to: c.req.query('To'), from: c.req.query('From') }).slice(0, size)
    const uri = c.req.path.slice(c.req.path.indexOf('/2010'))
    const page = {
      page: 0,
      page_size: size,
      uri,
      first_page_uri: uri,
      next_page_uri: null,
      previous_page_uri: null,
    }
    return c.json({
      ...page,
      messages: listed.map((message) => messageResource(message, account.accountSid)),
    })
  })
  app.get(`${messages}/:file{\\w+\\.json}`, (c) => {
    const message = account.messages.get(c.req.param('file').replace(/\.json$/, ''))
    if (!message) throw notFound(c.req.path)
    return c.json(messageResource(message, account.accountSid))
  })
  app.get(`${messages}/:sid/Media/:media`, (c) => {
    const message = account.messages.get(c.req.param('sid'))
    const media = message?.media.find(({ sid }) => sid === c.req.param('media'))
    if (!message || !media) throw notFound(c.req.path)
    // Twilio keeps the bytes elsewhere: its answer leads there, and that address needs no account.
    return c.redirect(
      account.mediaRedirect ?? `${new URL(c.req.url).origin}${fileOf(message, media).url}`,
      307,
    )
  })

  app.post('/v2/Indicators/Typing.json', async (c) => {
    showTyping(account, c.req.path, await form(c))
    return c.json({ success: true })
  })
  app.get('/v2/Channels/Senders', (c) =>
    c.json({ senders: [senderResource(account, baseOf(c))], meta: metaOf(c, 'senders') }),
  )
  app.get('/v2/Channels/Senders/:sid', (c) => c.json(senderResource(account, baseOf(c), c.req.param('sid'))))
  app.post('/v2/Channels/Senders/:sid', async (c) => {
    const body: unknown = await c.req.json().catch(() => ({}))
    updateSender(account, body)
    return c.json(senderResource(account, baseOf(c), c.req.param('sid')), 202)
  })

  app.route('/', contentRoutes(account, baseOf))

  app.onError((error, c) => {
    if (!(error instanceof TwilioError)) throw error
    return c.json(errorBody(error.status, error.code, error.message), error.status as 400)
  })
  // A mounted application's notFound is never asked.
  app.all('*', (c) =>
    c.json(errorBody(404, 20404, `The requested resource ${c.req.path} was not found`), 404),
  )
  return app
}

/** Where the sandbox's Twilio is, as the caller sees it. */
export const baseOf = (c: Context<Env>) => `${new URL(c.req.url).origin}/twilio`

async function form(c: Context<Env>): Promise<Record<string, string>> {
  return Object.fromEntries(new URLSearchParams(await c.req.text()))
}

function isOurs(account: Account, authorization: string | undefined): boolean {
  const expected = Buffer.from(`${account.accountSid}:${account.authToken}`)
  const given = Buffer.from(authorization?.replace(/^Basic /i, '') ?? '', 'base64')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function requireAccount(account: Account, c: Context<Env>): void {
  if (c.req.param('account') !== account.accountSid) throw notFound(c.req.path)
}
