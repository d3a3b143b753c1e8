import type { InlineKeyboardMarkup, Message } from '@grammyjs/types'
import { z } from 'zod'
import type { Bot } from './bot.ts'
import type { BotEvent, Button, ChatState, SentMessage } from './chats.ts'
import { type FormattedText, parseHtml } from './entities.ts'
import { badRequest } from './errors.ts'

export interface Call {
  bot: Bot
  token: string
  /** Method as called and its parameters; files of a form are `File`s. */
  request: { method: string; body: Record<string, unknown> }
}
export type Method = (call: Call) => unknown

export const flag = z.preprocess((value) => value === true || value === 'true' || value === 1, z.boolean())
/** In form bodies structured parameters come as JSON text. */
export const json = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => {
    if (typeof value !== 'string') return value
    try {
      return JSON.parse(value)
    } catch {
      return value
    }
  }, schema)

export const chatId = z.coerce.number().int()
export const parseMode = z.string().optional()

/** Rows of buttons; Telegram allows 100 in all and 64 bytes of data (https://core.telegram.org/bots/api#inlinekeyboardbutton). */
const button = z.union([
  z.object({
    text: z.string().min(1),
    callback_data: z
      .string()
      .refine((data) => data !== '' && Buffer.byteLength(data) <= 64, 'BUTTON_DATA_INVALID'),
  }),
  z.object({ text: z.string().min(1), url: z.url() }),
])
export const replyMarkup = json(
  z
    .object({ inline_keyboard: z.array(z.array(button)).refine((rows) => rows.flat().length <= 100) })
    .optional(),
)

export function read<T>(schema: z.ZodType<T>, body: Record<string, unknown>): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const name = String(parsed.error.issues[0]?.path[0] ?? 'parameters')
  if (name === 'chat_id') throw badRequest('chat not found')
  throw badRequest(name === 'reply_markup' ? 'BUTTON_DATA_INVALID' : `invalid parameter "${name}"`)
}

/** HTML and plain text only: nothing here sends Markdown, and half a parser would pass what Telegram refuses. */
export function format(source: string, mode: string | undefined): FormattedText {
  if (!mode) return { text: source, entities: [] }
  if (mode.toLowerCase() !== 'html') throw badRequest('unsupported parse_mode')
  return parseHtml(source)
}

/** Puts what the bot did on the person's screen. */
export function record(
  call: Call,
  chat: ChatState,
  event: Pick<BotEvent, 'id' | 'kind' | 'text' | 'plainText'> & Partial<BotEvent>,
  input: { parse_mode?: string | undefined; reply_markup?: InlineKeyboardMarkup | undefined } = {},
): void {
  const { method, body } = call.request
  const shown = Object.entries(body).map(([name, value]) => [
    name,
    value instanceof File ? value.name : value,
  ])
  call.bot.chats.recordBot(chat, {
    ...event,
    ...(input.parse_mode && { parseMode: input.parse_mode }),
    ...(input.reply_markup && { buttons: buttonsOf(input.reply_markup) }),
    request: { method, body: Object.fromEntries(shown) },
  })
}

const buttonsOf = ({ inline_keyboard: rows }: InlineKeyboardMarkup): Button[][] =>
  rows.map((row) =>
    row.map((button) => ({
      text: button.text,
      ...('callback_data' in button && { data: button.callback_data }),
    })),
  )

/** A message of the bot as the Bot API answers it. */
export function message({ bot, token }: Call, chat: ChatState, id: number): Partial<Message> {
  const { entities, caption_entities, ...sent } = chat.sent.get(id) ?? { date: seconds() }
  return {
    message_id: id,
    from: self(bot, token),
    chat: chat.chat,
    ...sent,
    ...(entities?.length && { entities }),
    ...(caption_entities?.length && { caption_entities }),
  } as Partial<Message>
}

/** @throws BotApiError when the bot never sent it */
export function sentMessage(chat: ChatState, id: number, purpose: string): SentMessage {
  const sent = chat.sent.get(id)
  if (!sent) throw badRequest(`message to ${purpose} not found`)
  return sent
}

export function self(bot: Bot, token: string) {
  const id = Number(/^\d+/.exec(token)?.[0] ?? 4100)
  return { id, is_bot: true, first_name: 'YourClaw', username: bot.username }
}

export const seconds = () => Math.floor(Date.now() / 1000)
