import { createHash, timingSafeEqual } from 'node:crypto'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { z } from 'zod'
import { bindByCode } from '../../services/channel/bind-by-code.ts'
import type { ConversationCtx } from '../../services/conversation/ctx.ts'
import { receiveMessage } from '../../services/conversation/receive-message.ts'
import { sanitize } from '../../services/conversation/sanitize.ts'
import { tellAddress } from '../../services/conversation/tell-address.ts'
import { texts } from '../../services/conversation/texts.ts'

export interface TelegramWebhookDeps {
  ctx: ConversationCtx
  /** What setWebhook was given as secret_token; empty = every request is refused (I4). */
  secret: string
}

const media = [
  'photo',
  'voice',
  'audio',
  'video',
  'video_note',
  'document',
  'sticker',
  'location',
  'contact',
] as const

const updateSchema = z.object({
  update_id: z.number().int(),
  message: z
    .looseObject({
      chat: z.object({ id: z.number().int(), type: z.string() }),
      from: z.object({ username: z.string().optional(), is_bot: z.boolean().optional() }).optional(),
      text: z.string().optional(),
      caption: z.string().optional(),
    })
    .optional(),
})
type Message = NonNullable<z.infer<typeof updateSchema>['message']>

const maxBodyBytes = 1024 * 1024
const startCommand = /^\/start(?:@\w+)?\s+([A-Za-z0-9_-]{1,64})\s*$/

/** POST / of the Bot API's webhook. 200 also means "not for us": Telegram would otherwise send it again. */
export function telegramWebhook(deps: TelegramWebhookDeps) {
  const app = new Hono()
  app.use(async (c, next) => {
    const given = c.req.header('x-telegram-bot-api-secret-token')
    if (given === undefined) return c.json({ detail: 'Missing signature.', code: 'signature_missing' }, 401)
    if (deps.secret === '' || !isSame(given, deps.secret)) {
      return c.json({ detail: 'Wrong signature.', code: 'signature_invalid' }, 403)
    }
    return next()
  })
  const tooLarge = { detail: 'The body is too large.', code: 'body_too_large' }
  app.use(bodyLimit({ maxSize: maxBodyBytes, onError: (c) => c.json(tooLarge, 413) }))
  app.post('/', async (c) => {
    const update = updateSchema.safeParse(await c.req.json().catch(() => null))
    const message = update.data?.message
    // Groups neither bind nor drive an assistant (I3).
    if (update.success && message?.chat.type === 'private' && message.from?.is_bot !== true) {
      await handleMessage(deps.ctx, update.data.update_id, message, c.get('traceParent'))
    }
    return c.json({ ok: true })
  })
  return app
}

async function handleMessage(ctx: ConversationCtx, updateId: number, message: Message, traceParent?: string) {
  const to = { channel: 'TELEGRAM', address: String(message.chat.id) } as const
  const once = { key: `telegram:${updateId}` }
  const body = sanitize(message.text ?? message.caption ?? '')
  const code = startCommand.exec(body)?.[1]
  if (code !== undefined) {
    const { username } = message.from ?? {}
    const chatId = BigInt(message.chat.id)
    const bind = { ...to, code, chatId, ...(username === undefined ? {} : { username }) }
    const { outcome } = await bindByCode({ ctx, input: bind })
    const answers = {
      bound: texts.bound,
      invalid_code: texts.bindCodeInvalid(ctx.settings.webUrl),
      address_taken: texts.bindAddressTaken,
    }
    // Codes that are no good cost a stranger nothing to send, so only one an hour is answered.
    const hour = new Date(ctx.clock.now()).toISOString().slice(0, 13)
    const said = outcome === 'invalid_code' ? { kind: 'bind_invalid', key: hour } : { kind: 'bind', ...once }
    const told = { to, code: `bind_${outcome}`, text: answers[outcome], once: said }
    await tellAddress({ ctx, input: told })
    return
  }
  if (body.trim() !== '') {
    const received = { ...to, providerMessageId: String(updateId), providerOrder: BigInt(updateId), body }
    const trace = traceParent === undefined ? {} : { traceParent }
    const { outcome } = await receiveMessage({ ctx, input: { ...received, ...trace } })
    // A duplicate goes on: the first delivery may have ended before it told.
    if (outcome === 'refused' || outcome === 'unknown_sender') return
  }
  if (media.some((kind) => message[kind] !== undefined)) {
    const text = texts.mediaUnsupported
    const told = {
      to,
      code: 'media_unsupported',
      text,
      once: { kind: 'media', ...once },
      greetStrangers: true,
    }
    await tellAddress({ ctx, input: told })
  }
}

/** Hashed first, so that neither the content nor the length of the secret shows in the time it takes. */
function isSame(given: string, secret: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest()
  return timingSafeEqual(digest(given), digest(secret))
}
