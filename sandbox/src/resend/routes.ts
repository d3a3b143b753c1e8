import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { type Env, type Faults, faulty } from '../faults.ts'
import { type Contacts, contactRoutes } from './contacts.ts'
import { errorBody, faultBody, ResendError } from './errors.ts'
import { inboxPages } from './inbox.ts'
import type { Mail, Mailbox } from './mail.ts'

/** Resend's API (https://resend.com/docs/api-reference) for any key `re_…`, and the inbox where mail ends up. */
export function resendRoutes(mailbox: Mailbox, contacts: Contacts, faults: Faults): Hono<Env> {
  const app = new Hono<Env>()
  // People read their mail whatever is wrong with the API.
  app.route('/', inboxPages(mailbox))
  app.use('*', faulty(faults, 'resend', faultBody))
  app.use('*', async (c, next) => {
    const key = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    if (!key) throw new ResendError('missing_api_key', 'Missing API Key')
    if (!key.startsWith('re_')) throw new ResendError('invalid_api_key', 'API key is invalid')
    return next()
  })

  app.post('/emails', async (c) => {
    const [id] = mailbox.send([await json(c)], c.req.header('idempotency-key'))
    return c.json({ id })
  })
  app.post('/emails/batch', async (c) => {
    const parsed = z
      .array(z.unknown())
      .min(1)
      .max(100)
      .safeParse(await json(c))
    if (!parsed.success) throw new ResendError('validation_error', 'Expected 1 to 100 emails.')
    const ids = mailbox.send(parsed.data, c.req.header('idempotency-key'))
    return c.json({ data: ids.map((id) => ({ id })) })
  })
  app.get('/emails/:id', (c) => {
    const mail = mailbox.all.find(({ id }) => id === c.req.param('id'))
    if (!mail) throw new ResendError('not_found', 'Email not found')
    return c.json(resource(mail))
  })
  app.route('/contacts', contactRoutes(contacts))

  app.onError((error, c) => {
    if (!(error instanceof ResendError)) throw error
    return c.json(errorBody(error), error.status as 400)
  })
  // A mounted application's notFound is never asked.
  app.all('*', () => {
    throw new ResendError('not_found', 'The requested endpoint does not exist.')
  })
  return app
}

async function json(c: Context<Env>): Promise<unknown> {
  return await c.req.json().catch(() => {
    throw new ResendError('validation_error', 'The request body is not valid JSON.')
  })
}

function resource(mail: Mail): object {
  return {
    object: 'email',
    id: mail.id,
    message_id: `<${mail.id}@sandbox.invalid>`,
    to: mail.to,
    from: mail.from,
    created_at: mail.at,
    subject: mail.subject,
    html: mail.html,
    text: mail.text,
    bcc: mail.bcc,
    cc: mail.cc,
    reply_to: mail.replyTo,
    tags: mail.tags,
    scheduled_at: mail.scheduledAt,
    last_event: 'delivered',
  }
}
