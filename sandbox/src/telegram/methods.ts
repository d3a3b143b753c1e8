import type { Message } from '@grammyjs/types'
import { z } from 'zod'
import type { Bot } from './bot.ts'
import type { ChatState } from './chats.ts'
import { type FormattedText, parseHtml } from './entities.ts'
import { badRequest } from './errors.ts'

/** The longest text after entity parsing (https://core.telegram.org/bots/api#sendmessage). */
const longestText = 4096

export interface Call {
  bot: Bot
  token: string
  /** Method as called and its parameters, kept for the page. */
  request: { method: string; body: Record<string, unknown> }
}
export type Method = (call: Call) => unknown

const flag = z.preprocess((value) => value === true || value === 'true' || value === 1, z.boolean())
/** In form bodies structured parameters come as JSON text. */
const json = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => {
    if (typeof value !== 'string') return value
    try {
      return JSON.parse(value)
    } catch {
      return value
    }
  }, schema)

const chatId = z.coerce.number().int()
const text = z.string().default('')
const parseMode = z.string().optional()

const setWebhookInput = z.object({
  url: z.string().default(''),
  secret_token: z.string().optional(),
  allowed_updates: json(z.array(z.string()).default([])),
  drop_pending_updates: flag,
})
const sendMessageInput = z.object({ chat_id: chatId, text, parse_mode: parseMode })
const sendDraftInput = sendMessageInput.extend({ draft_id: z.coerce.number().int() })
const editInput = sendMessageInput.extend({ message_id: z.coerce.number().int() })
const actionInput = z.object({ chat_id: chatId, action: z.string() })
const fileInput = z.object({ file_id: z.string() })
const command = z.object({ command: z.string(), description: z.string() })
const commandsInput = z.object({ commands: json(z.array(command)) })
const dropInput = z.object({ drop_pending_updates: flag })

const chatActions = new Set(
  'typing upload_photo record_video upload_video record_voice upload_voice upload_document choose_sticker find_location record_video_note upload_video_note'.split(
    ' ',
  ),
)

/** By lower-case name: Telegram ignores case in method names. */
export const methods: Record<string, Method> = {
  getme: ({ bot, token }) => ({
    ...self(bot, token),
    can_join_groups: true,
    can_read_all_group_messages: false,
    supports_inline_queries: false,
    can_connect_to_business: false,
    has_main_web_app: false,
  }),

  setwebhook: ({ bot, request }) => {
    const input = read(setWebhookInput, request.body)
    if (input.secret_token !== undefined && !/^[\w-]{1,256}$/.test(input.secret_token)) {
      throw badRequest('secret token contains unallowed characters')
    }
    // Telegram takes https only; here everything is on one machine, so http is good too.
    if (input.url !== '' && !/^https?:/.test(URL.parse(input.url)?.protocol ?? '')) {
      throw badRequest('bad webhook: invalid webhook URL specified')
    }
    const settings = {
      url: input.url,
      secretToken: input.secret_token,
      allowedUpdates: input.allowed_updates,
    }
    bot.webhook.set(input.url === '' ? undefined : settings, input.drop_pending_updates)
    return true
  },

  getwebhookinfo: ({ bot }) => bot.webhook.info(),

  deletewebhook: ({ bot, request }) => {
    bot.webhook.set(undefined, read(dropInput, request.body).drop_pending_updates)
    return true
  },

  sendmessage: (call) => {
    const input = read(sendMessageInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    const formatted = format(input.text, input.parse_mode)
    const id = call.bot.chats.nextMessageId()
    chat.sent.set(id, { ...formatted, date: seconds() })
    record(call, chat, 'message', id, input, formatted)
    return message(call, chat, id)
  },

  editmessagetext: (call) => {
    const input = read(editInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    const before = chat.sent.get(input.message_id)
    if (!before) throw badRequest('message to edit not found')
    const formatted = format(input.text, input.parse_mode)
    if (JSON.stringify(formatted) === JSON.stringify({ text: before.text, entities: before.entities })) {
      throw badRequest(
        'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
      )
    }
    chat.sent.set(input.message_id, { ...formatted, date: before.date })
    record(call, chat, 'edit', input.message_id, input, formatted)
    return { ...message(call, chat, input.message_id), edit_date: seconds() }
  },

  sendmessagedraft: (call) => {
    const input = read(sendDraftInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    if (input.draft_id === 0) throw badRequest('draft_id must be non-zero')
    const formatted = input.text === '' ? { text: '', entities: [] } : format(input.text, input.parse_mode)
    record(call, chat, 'draft', input.draft_id, input, formatted)
    return true
  },

  sendchataction: (call) => {
    const input = read(actionInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    if (!chatActions.has(input.action)) throw badRequest('wrong parameter action in request')
    const plain = { text: input.action, entities: [] }
    record(call, chat, 'action', 0, { text: input.action, parse_mode: undefined }, plain)
    return true
  },

  getfile: ({ bot, request }) => bot.files.get(read(fileInput, request.body).file_id).info,

  setmycommands: ({ bot, request }) => {
    bot.commands = read(commandsInput, request.body).commands
    return true
  },

  getmycommands: ({ bot }) => bot.commands,
}

function read<T>(schema: z.ZodType<T>, body: Record<string, unknown>): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const name = String(parsed.error.issues[0]?.path[0] ?? 'parameters')
  throw badRequest(name === 'chat_id' ? 'chat not found' : `invalid parameter "${name}"`)
}

function format(source: string, mode: string | undefined): FormattedText {
  const formatted = parse(source, mode)
  if (formatted.text.trim() === '') throw badRequest('message text is empty')
  // In UTF-16 units, as entity offsets are: the stricter reading where an emoji counts as two.
  if (formatted.text.length > longestText) throw badRequest('message is too long')
  return formatted
}

/** HTML and plain text only: nothing here sends Markdown, and half a parser would pass what Telegram refuses. */
function parse(source: string, mode: string | undefined): FormattedText {
  if (!mode) return { text: source, entities: [] }
  if (mode.toLowerCase() !== 'html') throw badRequest('unsupported parse_mode')
  return parseHtml(source)
}

function record(
  call: Call,
  chat: ChatState,
  kind: 'message' | 'edit' | 'draft' | 'action',
  id: number,
  input: { text: string; parse_mode?: string | undefined },
  formatted: FormattedText,
): void {
  const { request } = call
  const mode = input.parse_mode ? { parseMode: input.parse_mode } : {}
  call.bot.chats.recordBot(chat, { id, kind, text: input.text, plainText: formatted.text, ...mode, request })
}

function message({ bot, token }: Call, chat: ChatState, id: number): Partial<Message> {
  const sent = chat.sent.get(id)
  return {
    message_id: id,
    from: self(bot, token),
    chat: chat.chat,
    date: sent?.date ?? seconds(),
    text: sent?.text ?? '',
    ...(sent?.entities.length ? { entities: sent.entities } : {}),
  } as Partial<Message>
}

function self(bot: Bot, token: string) {
  const id = Number(/^\d+/.exec(token)?.[0] ?? 4100)
  return { id, is_bot: true, first_name: 'YourClaw', username: bot.username }
}

const seconds = () => Math.floor(Date.now() / 1000)
