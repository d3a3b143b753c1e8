import type { Update } from '@grammyjs/types'
import { z } from 'zod'
import { BadInput } from '../sim/input.ts'
import type { Bot } from './bot.ts'
import type { ChatState, PersonEvent } from './chats.ts'
import { contentFields, contentKinds, contentOf } from './content.ts'

export const incomingInput = z
  .object({
    ...contentFields,
    caption: z.string().optional(),
    username: z.string().optional(),
    chatType: z.enum(['private', 'group', 'supergroup']).optional(),
    /** Id of a message of either side in this chat. */
    replyTo: z.number().int().optional(),
    /** Messages with the same name are one album. */
    album: z.string().min(1).optional(),
    /** Name of whom it is forwarded from. */
    forwardedFrom: z.string().min(1).optional(),
  })
  .refine((input) => contentKinds.filter((kind) => input[kind] !== undefined).length === 1, {
    message: `Give exactly one of ${contentKinds.join(', ')}.`,
  })
export type IncomingInput = z.infer<typeof incomingInput>

export const editInput = z.object({ messageId: z.number().int(), text: z.string().min(1) })
export const reactionInput = z.object({ messageId: z.number().int(), emoji: z.string() })
export const stopInput = z.object({ draftId: z.number().int() })
export const buttonInput = z.object({ messageId: z.number().int(), data: z.string().min(1).max(64) })

interface Sent {
  updateId: number
}

/** The person sends something: it becomes an update for the bot's webhook. */
export function sendAsPerson(
  bot: Bot,
  telegramUserId: number,
  input: IncomingInput,
): Sent & { messageId: number } {
  const from = bot.chats.user(telegramUserId, input.username)
  const chat = bot.chats.open(from, input.chatType)
  const messageId = bot.chats.nextMessageId()
  const { kind, fields } = contentOf(bot, input)
  const file = fileOf(bot, fields)
  const date = seconds()
  const quoted = input.replyTo === undefined ? undefined : quote(bot, chat, input.replyTo)
  const message = {
    message_id: messageId,
    from,
    chat: chat.chat,
    date,
    ...fields,
    ...(input.caption !== undefined && { caption: input.caption }),
    ...(input.album !== undefined && { media_group_id: input.album }),
    ...(quoted !== undefined && { reply_to_message: quoted }),
    ...(input.forwardedFrom !== undefined && {
      forward_origin: { type: 'hidden_user', sender_user_name: input.forwardedFrom, date },
    }),
  }
  const sent = push(
    bot,
    chat,
    { message },
    {
      id: messageId,
      kind,
      text: input.text ?? input.caption ?? '',
      ...(file && { file }),
    },
  )
  return { ...sent, messageId }
}

/** The person changes a text message of their own. */
export function editAsPerson(bot: Bot, telegramUserId: number, input: z.infer<typeof editInput>): Sent {
  const chat = bot.chats.open(bot.chats.user(telegramUserId))
  const before = personMessage(bot, telegramUserId, input.messageId)
  if (before === undefined) throw new BadInput('There is no such message of this person.')
  const { entities: _, ...kept } = before
  const edited = { ...kept, text: input.text, edit_date: seconds() }
  return push(bot, chat, { edited_message: edited }, { id: input.messageId, kind: 'edit', text: input.text })
}

/** An empty emoji takes the reaction back. Telegram tells it only to a bot that asked for message_reaction. */
export function reactAsPerson(bot: Bot, telegramUserId: number, input: z.infer<typeof reactionInput>): Sent {
  const user = bot.chats.user(telegramUserId)
  const chat = bot.chats.open(user)
  const reaction = {
    chat: chat.chat,
    message_id: input.messageId,
    user,
    date: seconds(),
    old_reaction: [],
    new_reaction: input.emoji === '' ? [] : [{ type: 'emoji', emoji: input.emoji }],
  }
  const event = { id: input.messageId, kind: 'reaction', text: input.emoji } as const
  return push(bot, chat, { message_reaction: reaction }, event)
}

/** A press on an inline button. As with the real one, nothing stops a client from sending data of its own. */
export function pressAsPerson(bot: Bot, telegramUserId: number, input: z.infer<typeof buttonInput>): Sent {
  const from = bot.chats.user(telegramUserId)
  const chat = bot.chats.open(from)
  const id = `query-${bot.chats.nextMessageId()}`
  bot.queries.set(id, chat)
  const query = {
    id,
    from,
    chat_instance: String(chat.chat.id),
    message: quote(bot, chat, input.messageId),
    data: input.data,
  }
  return push(bot, chat, { callback_query: query }, { id: input.messageId, kind: 'button', text: input.data })
}

/** A press on the button that stops a draft. */
export function stopAsPerson(bot: Bot, telegramUserId: number, input: z.infer<typeof stopInput>): Sent {
  const chat = bot.chats.open(bot.chats.user(telegramUserId))
  const stopped = { chat: chat.chat, draft_id: input.draftId }
  const event = { id: input.draftId, kind: 'stop', text: '' } as const
  return push(bot, chat, { stopped_message_generation: stopped }, event)
}

function push(
  bot: Bot,
  chat: ChatState,
  content: object,
  said: Pick<PersonEvent, 'id' | 'kind' | 'text' | 'file'>,
): Sent {
  const updateId = bot.nextUpdateId()
  const update = { update_id: updateId, ...content } as Update
  const event: PersonEvent = {
    ...said,
    at: new Date().toISOString(),
    delivered: false,
    failedAttempts: 0,
    request: update,
  }
  bot.chats.recordPerson(chat, event)
  bot.webhook.push({
    chatId: chat.chat.id,
    update,
    onDelivered: () => {
      event.delivered = true
    },
    onFailed: () => {
      event.failedAttempts += 1
    },
  })
  return { updateId }
}

/** The file of a message, for the page. */
function fileOf(bot: Bot, fields: object): PersonEvent['file'] {
  const [part] = Object.values(fields)
  const found = z
    .object({ file_id: z.string(), file_name: z.string().default('file') })
    .safeParse(Array.isArray(part) ? part[0] : part)
  if (!found.success) return undefined
  const { file_id: id, file_name: name } = found.data
  const { info, bytes, mimeType } = bot.files.get(id)
  return { name, mimeType, sizeBytes: bytes.length, url: `/telegram/file/botpage/${info.file_path}` }
}

/** A message as another one quotes it, whoever wrote it. */
function quote(bot: Bot, chat: ChatState, messageId: number): object {
  const sent = chat.sent.get(messageId)
  if (sent !== undefined) return { message_id: messageId, chat: chat.chat, ...sent }
  const message = personMessage(bot, chat.owner, messageId)
  if (message === undefined) throw new BadInput('There is no such message in this chat.')
  const { reply_to_message: _, ...quoted } = message
  return quoted
}

/** The newest form of a message that the person wrote. */
function personMessage(bot: Bot, telegramUserId: number, messageId: number) {
  const events = bot.chats.personEvents(telegramUserId)
  const { message, edited_message } = (events.findLast(
    ({ id, kind }) => id === messageId && kind !== 'reaction' && kind !== 'button' && kind !== 'stop',
  )?.request ?? {}) as Update
  return (edited_message ?? message) as Record<string, unknown> | undefined
}

const seconds = () => Math.floor(Date.now() / 1000)
