import { createHash, timingSafeEqual } from 'node:crypto'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { z } from 'zod'
import type { ConversationCtx } from '../../services/conversation/ctx.ts'
import { stopDrafted } from '../../services/conversation/stop-answer.ts'
import { takeEdit } from '../../services/conversation/take-edit.ts'
import { takeIncoming } from '../../services/conversation/take-incoming.ts'
import { takeReaction } from '../../services/conversation/take-reaction.ts'
import { pressButton } from '../../services/question/press-button.ts'
import { contentsOf } from './telegram-contents.ts'
import {
  isPersonal,
  type TelegramMessage,
  type TelegramPress,
  type TelegramReaction,
  updateSchema,
} from './telegram-updates.ts'

export interface TelegramWebhookDeps {
  ctx: ConversationCtx
  /** What setWebhook was given as secret_token; empty = every request is refused (I4). */
  secret: string
}

const maxBodyBytes = 1024 * 1024
/** https://core.telegram.org/bots/api#answercallbackquery */
const longestToast = 200
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
    // 200 for what is no update of ours.
    const answer = update.success ? await takeUpdate(deps.ctx, update.data, c.get('traceParent')) : undefined
    return c.json(answer ?? { ok: true })
  })
  return app
}

/** One update holds one of these. What is returned is a call that Telegram makes in our name, as the answer of a webhook. */
async function takeUpdate(
  ctx: ConversationCtx,
  update: z.output<typeof updateSchema>,
  traceParent?: string,
): Promise<object | undefined> {
  const { update_id: updateId, message, edited_message: edited, callback_query: press } = update
  if (message && isPersonal(message)) await takeMessage(ctx, updateId, message, traceParent)
  if (edited && isPersonal(edited)) await takeEdited(ctx, updateId, edited, traceParent)
  const reaction = update.message_reaction
  if (reaction && isPersonal({ chat: reaction.chat, from: reaction.user })) await takeReacted(ctx, reaction)
  if (press) return takePress(ctx, press)
  const stopped = update.stopped_message_generation
  if (stopped && isPersonal(stopped)) {
    const from = { channel: 'TELEGRAM', address: String(stopped.chat.id) } as const
    await stopDrafted({ ctx, input: { from, draftId: stopped.draft_id } })
  }
  return undefined
}

function takeMessage(ctx: ConversationCtx, updateId: number, message: TelegramMessage, traceParent?: string) {
  const { body, ...contents } = contentsOf(message)
  const code = startCommand.exec(body)?.[1]
  const { username } = message.from ?? {}
  const chatId = BigInt(message.chat.id)
  const input = {
    to: { channel: 'TELEGRAM', address: String(message.chat.id) } as const,
    providerMessageId: String(updateId),
    providerOrder: BigInt(updateId),
    body,
    ...contents,
    chatMessageId: idOf(message),
    album: typeof message.media_group_id === 'string' ? message.media_group_id : undefined,
    bind: code === undefined ? undefined : { code, chatId, ...(username === undefined ? {} : { username }) },
    traceParent,
  }
  return takeIncoming({ ctx, input })
}

const idOf = ({ message_id: id }: TelegramMessage) => (id === undefined ? undefined : String(id))

async function takeEdited(
  ctx: ConversationCtx,
  updateId: number,
  message: TelegramMessage,
  traceParent?: string,
) {
  const { body, files, isForwarded } = contentsOf(message)
  const chatMessageId = idOf(message)
  // Where somebody is on the way to changes by the minute.
  if (chatMessageId === undefined || message.location !== undefined) return
  const from = { channel: 'TELEGRAM', address: String(message.chat.id) } as const
  const isPlain = files.length === 0 && !isForwarded
  const order = { providerMessageId: String(updateId), providerOrder: BigInt(updateId) }
  const trace = traceParent === undefined ? {} : { traceParent }
  await takeEdit({ ctx, input: { ...from, ...order, ...trace, body, files, chatMessageId, isPlain } })
}

async function takeReacted(ctx: ConversationCtx, { chat, message_id, new_reaction }: TelegramReaction) {
  const from = { channel: 'TELEGRAM', address: String(chat.id) } as const
  const emojis = new_reaction.flatMap(
    ({ emoji, type }) => emoji ?? (type === 'emoji' ? [] : ['a custom emoji']),
  )
  await takeReaction({ ctx, input: { from, chatMessageId: String(message_id), emojis } })
}

/** The button stands still until the press is answered, so every press is. */
async function takePress(ctx: ConversationCtx, { id, from, message, data }: TelegramPress) {
  // In a private chat the chat is the person; whoever presses elsewhere is nobody here (I3).
  const isOwn = message?.chat.type === 'private' && message.chat.id === from.id
  const address = isOwn ? String(message.chat.id) : ''
  const { text } = await pressButton({
    ctx,
    input: { from: { channel: 'TELEGRAM', address }, data: data ?? '' },
  })
  return { method: 'answerCallbackQuery', callback_query_id: id, text: text.slice(0, longestToast) }
}

/** Hashed first, so that neither the content nor the length of the secret shows in the time it takes. */
function isSame(given: string, secret: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest()
  return timingSafeEqual(digest(given), digest(secret))
}
