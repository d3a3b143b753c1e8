import { z } from 'zod'
import {
  chatId,
  flag,
  format,
  json,
  type Method,
  message,
  parseMode,
  read,
  record,
  replyMarkup,
  seconds,
  sentMessage,
} from './call.ts'
import type { FormattedText } from './entities.ts'
import { badRequest } from './errors.ts'

/** The longest text after entity parsing (https://core.telegram.org/bots/api#sendmessage). */
const longestText = 4096

const text = z.string().default('')
const sendInput = z.object({ chat_id: chatId, text, parse_mode: parseMode, reply_markup: replyMarkup })
const draftInput = z.object({
  chat_id: chatId,
  text,
  parse_mode: parseMode,
  draft_id: z.coerce.number().int(),
  can_stop: flag,
})
const messageId = z.coerce.number().int()
const editInput = sendInput.extend({ message_id: messageId })
const markupInput = z.object({ chat_id: chatId, message_id: messageId, reply_markup: replyMarkup })
const deleteInput = z.object({ chat_id: chatId, message_id: messageId })
const actionInput = z.object({ chat_id: chatId, action: z.string() })
const answerInput = z.object({
  callback_query_id: z.string(),
  text: z.string().max(200).optional(),
  show_alert: flag,
})
const reactionInput = z.object({
  chat_id: chatId,
  message_id: messageId,
  reaction: json(z.array(z.object({ type: z.literal('emoji'), emoji: z.string() })).max(1)).optional(),
})

const chatActions = new Set(
  'typing upload_photo record_video upload_video record_voice upload_voice upload_document choose_sticker find_location record_video_note upload_video_note'.split(
    ' ',
  ),
)

/** What the bot says, changes and answers in a chat; by lower-case name. */
export const messageMethods: Record<string, Method> = {
  sendmessage: (call) => {
    const input = read(sendInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    const formatted = formatText(input.text, input.parse_mode)
    const id = call.bot.chats.nextMessageId()
    chat.sent.set(id, {
      ...formatted,
      date: seconds(),
      ...(input.reply_markup && { reply_markup: input.reply_markup }),
    })
    record(call, chat, { id, kind: 'message', text: input.text, plainText: formatted.text }, input)
    return message(call, chat, id)
  },

  editmessagetext: (call) => {
    const input = read(editInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    const before = sentMessage(chat, input.message_id, 'edit')
    const formatted = formatText(input.text, input.parse_mode)
    const changed = { ...formatted, ...(input.reply_markup && { reply_markup: input.reply_markup }) }
    const { date, ...standing } = before
    if (JSON.stringify(changed) === JSON.stringify(standing)) throw notModified()
    chat.sent.set(input.message_id, { ...changed, date })
    record(
      call,
      chat,
      { id: input.message_id, kind: 'edit', text: input.text, plainText: formatted.text },
      input,
    )
    return { ...message(call, chat, input.message_id), edit_date: seconds() }
  },

  editmessagereplymarkup: (call) => {
    const input = read(markupInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    const { reply_markup: before, ...sent } = sentMessage(chat, input.message_id, 'edit')
    if (JSON.stringify(before) === JSON.stringify(input.reply_markup)) throw notModified()
    chat.sent.set(input.message_id, {
      ...sent,
      ...(input.reply_markup && { reply_markup: input.reply_markup }),
    })
    // The words stay as they were shown.
    const events = call.bot.chats.botEvents(chat.owner)
    const shown = events.findLast(({ id, kind }) => id === input.message_id && kind !== 'reaction')
    const { text = '', plainText = '', parseMode: parse_mode } = shown ?? {}
    const { reply_markup } = input
    record(call, chat, { id: input.message_id, kind: 'edit', text, plainText }, { parse_mode, reply_markup })
    return { ...message(call, chat, input.message_id), edit_date: seconds() }
  },

  deletemessage: (call) => {
    const input = read(deleteInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    sentMessage(chat, input.message_id, 'delete')
    chat.sent.delete(input.message_id)
    record(call, chat, { id: input.message_id, kind: 'deletion', text: '', plainText: '' })
    return true
  },

  sendmessagedraft: (call) => {
    const input = read(draftInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    if (input.draft_id === 0) throw badRequest('draft_id must be non-zero')
    if (chat.chat.type !== 'private') throw badRequest('drafts are only for private chats')
    const formatted =
      input.text === '' ? { text: '', entities: [] } : formatText(input.text, input.parse_mode)
    record(
      call,
      chat,
      {
        id: input.draft_id,
        kind: 'draft',
        text: input.text,
        plainText: formatted.text,
        ...(input.can_stop && { canStop: true }),
      },
      input,
    )
    return true
  },

  sendchataction: (call) => {
    const input = read(actionInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    if (!chatActions.has(input.action)) throw badRequest('wrong parameter action in request')
    record(call, chat, { id: 0, kind: 'action', text: input.action, plainText: input.action })
    return true
  },

  setmessagereaction: (call) => {
    const input = read(reactionInput, call.request.body)
    const chat = call.bot.chats.find(input.chat_id)
    const emoji = input.reaction?.[0]?.emoji ?? ''
    record(call, chat, { id: input.message_id, kind: 'reaction', text: emoji, plainText: emoji })
    return true
  },

  answercallbackquery: (call) => {
    const input = read(answerInput, call.request.body)
    const chat = call.bot.queries.get(input.callback_query_id)
    // A query is answered once, as the real ones are only valid for a while.
    if (!chat) throw badRequest('query is too old and response timeout expired or query ID is invalid')
    call.bot.queries.delete(input.callback_query_id)
    if (input.text) record(call, chat, { id: 0, kind: 'notice', text: input.text, plainText: input.text })
    return true
  },
}

function formatText(source: string, mode: string | undefined): FormattedText {
  const formatted = format(source, mode)
  if (formatted.text.trim() === '') throw badRequest('message text is empty')
  // In UTF-16 units, as entity offsets are: the stricter reading where an emoji counts as two.
  if (formatted.text.length > longestText) throw badRequest('message is too long')
  return formatted
}

const notModified = () =>
  badRequest(
    'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
  )
