import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import twilio from 'twilio'
import { z } from 'zod'
import { twilioFailure } from '../../channels/twilio-errors.ts'
import { whatsappCodeIn } from '../../services/channel/start-binding.ts'
import type { ConversationCtx } from '../../services/conversation/ctx.ts'
import { sanitize } from '../../services/conversation/sanitize.ts'
import { takeIncoming } from '../../services/conversation/take-incoming.ts'
import { type FateInput, recordFate } from '../../services/delivery/record-fate.ts'
import { contentsOf, type TwilioContents } from './twilio-contents.ts'

export interface TwilioWebhookDeps {
  ctx: ConversationCtx
  /** Signs what Twilio sends; empty = every request is refused (I4). */
  authToken: string
  /** Our own public address, without a slash at its end: what Twilio called, whatever a proxy made of it. */
  apiUrl: string
}

type Parameters = Record<string, string | string[]>
declare module 'hono' {
  interface ContextVariableMap {
    /** The form of a request whose signature was good. */
    twilioParameters: Parameters
  }
}

const maxBodyBytes = 256 * 1024

const incomingSchema = z.object({
  MessageSid: z.string().regex(/^(SM|MM)[0-9a-fA-F]{32}$/),
  /** Opaque: `whatsapp:` and a number or a business-scoped id (I2). */
  From: z.string().regex(/^whatsapp:\S{1,200}$/),
  Body: z.string().default(''),
  /** The number without +, when the person shows it. */
  WaId: z.string().optional(),
  OptOutType: z.enum(['STOP', 'START']).optional().catch(undefined),
})

const statusSchema = z.object({
  MessageSid: z.string().min(1).max(100),
  MessageStatus: z.enum(['sent', 'delivered', 'read', 'failed', 'undelivered']),
  ErrorCode: z.coerce.number().int().optional().catch(undefined),
})
const attemptSchema = z.object({ delivery: z.uuid(), attempt: z.coerce.number().int().positive() })

/** POST /whatsapp: messages of people. POST /status: what became of ours. 2xx also means "not for us". */
export function twilioWebhooks({ ctx, authToken, apiUrl }: TwilioWebhookDeps) {
  const app = new Hono()
  const tooLarge = { detail: 'The body is too large.', code: 'body_too_large' }
  app.use(bodyLimit({ maxSize: maxBodyBytes, onError: (c) => c.json(tooLarge, 413) }))
  app.use(async (c, next) => {
    const { pathname, search } = new URL(c.req.url)
    const parameters = readForm(await c.req.text())
    const signature = c.req.header('x-twilio-signature') ?? ''
    const url = apiUrl + pathname + search
    // Over all parameters that came: Twilio adds new ones without notice. Compares in constant time.
    if (authToken === '' || !twilio.validateRequest(authToken, signature, url, parameters)) {
      return c.json({ detail: 'Wrong signature.', code: 'signature_invalid' }, 403)
    }
    c.set('twilioParameters', parameters)
    return next()
  })
  app.post('/whatsapp', async (c) => {
    const message = incomingSchema.safeParse(c.get('twilioParameters'))
    const contents = contentsOf(c.get('twilioParameters'))
    if (message.success) await handleMessage(ctx, message.data, contents, c.get('traceParent'))
    // Twilio reads the answer as instructions: there are none.
    return c.body('<Response/>', 200, { 'content-type': 'text/xml' })
  })
  app.post('/status', async (c) => {
    const status = statusSchema.safeParse(c.get('twilioParameters'))
    const attempt = attemptSchema.safeParse(c.req.query())
    if (status.success && attempt.success) {
      const { delivery: deliveryId, attempt: number } = attempt.data
      const { MessageSid: providerMessageId } = status.data
      const input = { deliveryId, attempt: number, providerMessageId, fate: fateOf(status.data) }
      await recordFate({ ctx, input })
    }
    return c.body(null, 204)
  })
  return app
}

/** A name that comes twice keeps all its values, as the signature counts them all. */
function readForm(body: string): Parameters {
  const given = new URLSearchParams(body)
  const names = [...new Set(given.keys())]
  return Object.fromEntries(
    names.map((name) => {
      const values = given.getAll(name)
      return [name, values.length > 1 ? values : (values[0] ?? '')]
    }),
  )
}

const stopWords = /^\s*(stop|stopall|unsubscribe)\s*$/i
/** Twilio's own; they mean something of who left alone. */
const startWords = /^\s*(start|unstop|yes)\s*$/i

function handleMessage(
  ctx: ConversationCtx,
  message: z.output<typeof incomingSchema>,
  { words, forwarded, title, ...contents }: TwilioContents,
  traceParent?: string,
) {
  const body = sanitize(message.Body || title)
  const code = whatsappCodeIn(body)
  const number = message.WaId ?? /^whatsapp:(\+\d+)$/.exec(message.From)?.[1]
  const phoneE164 = /^\+?[1-9]\d{6,14}$/.test(number ?? '') ? `+${number?.replace('+', '')}` : undefined
  // Twilio says so itself where its own opt-out is on; the words hold in either case.
  const said = stopWords.test(body) ? 'STOP' : startWords.test(body) ? 'START' : undefined
  // An answer to a question of ours may be such a word, too.
  const optOut = message.OptOutType ?? (contents.pressed ? undefined : said)
  const input = {
    to: { channel: 'WHATSAPP', address: message.From } as const,
    providerMessageId: message.MessageSid,
    body: [words, body].filter((line) => line !== '').join('\n'),
    ...contents,
    context: forwarded === '' ? undefined : forwarded,
    isForwarded: forwarded !== '',
    bind: code === undefined ? undefined : { code, ...(phoneE164 === undefined ? {} : { phoneE164 }) },
    optOut,
    traceParent,
  }
  return takeIncoming({ ctx, input })
}

function fateOf({ MessageStatus, ErrorCode }: z.output<typeof statusSchema>): FateInput['fate'] {
  switch (MessageStatus) {
    case 'sent':
      return { state: 'SENT' }
    case 'delivered':
      return { state: 'DELIVERED' }
    case 'read':
      return { state: 'READ' }
    default: {
      const { kind, retryAfterMs } = twilioFailure(ErrorCode)
      return { state: 'FAILED', failure: { code: `twilio_${ErrorCode ?? 'failed'}`, kind, retryAfterMs } }
    }
  }
}
