import { createHash, timingSafeEqual } from 'node:crypto'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { z } from 'zod'
import type { ConversationCtx } from '../../services/conversation/ctx.ts'
import { sanitize } from '../../services/conversation/sanitize.ts'
import { takeIncoming } from '../../services/conversation/take-incoming.ts'

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

function handleMessage(ctx: ConversationCtx, updateId: number, message: Message, traceParent?: string) {
  const body = sanitize(message.text ?? message.caption ?? '')
  const code = startCommand.exec(body)?.[1]
  const { username } = message.from ?? {}
  const chatId = BigInt(message.chat.id)
  const input = {
    to: { channel: 'TELEGRAM', address: String(message.chat.id) } as const,
    providerMessageId: String(updateId),
    providerOrder: BigInt(updateId),
    body,
    bind: code === undefined ? undefined : { code, chatId, ...(username === undefined ? {} : { username }) },
    hasMedia: media.some((kind) => message[kind] !== undefined),
    traceParent,
  }
  return takeIncoming({ ctx, input })
}

/** Hashed first, so that neither the content nor the length of the secret shows in the time it takes. */
function isSame(given: string, secret: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest()
  return timingSafeEqual(digest(given), digest(secret))
}
