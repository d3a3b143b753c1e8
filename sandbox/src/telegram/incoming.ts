import type { Update } from '@grammyjs/types'
import { z } from 'zod'
import { samplePhoto, sampleVoice } from '../samples.ts'
import type { Bot } from './bot.ts'
import type { PersonEvent } from './chats.ts'

const sampleOrBase64 = z.union([z.literal(true), z.base64()])

export const incomingInput = z
  .object({
    text: z.string().min(1).optional(),
    photo: sampleOrBase64.optional(),
    voice: sampleOrBase64.optional(),
    document: z.object({ name: z.string().min(1), base64: z.base64().optional() }).optional(),
    caption: z.string().optional(),
    username: z.string().optional(),
    chatType: z.enum(['private', 'group', 'supergroup']).optional(),
  })
  .refine((input) => [input.text, input.photo, input.voice, input.document].filter(Boolean).length === 1, {
    message: 'Give exactly one of text, photo, voice, document.',
  })
export type IncomingInput = z.infer<typeof incomingInput>

/** The person sends something: it becomes an update for the bot's webhook. */
export function sendAsPerson(bot: Bot, telegramUserId: number, input: IncomingInput): { updateId: number } {
  const from = bot.chats.user(telegramUserId, input.username)
  const chat = bot.chats.open(from, input.chatType)
  const updateId = bot.nextUpdateId()
  const messageId = bot.chats.nextMessageId()
  const now = new Date()
  const content = contentOf(bot, input)
  const message = {
    message_id: messageId,
    from,
    chat: chat.chat,
    date: Math.floor(now.getTime() / 1000),
    ...content.fields,
    ...(input.caption === undefined ? {} : { caption: input.caption }),
  }
  const update = { update_id: updateId, message } as Update
  const event: PersonEvent = {
    id: messageId,
    kind: content.kind,
    text: input.text ?? input.caption ?? '',
    at: now.toISOString(),
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

function contentOf(bot: Bot, input: IncomingInput): { kind: PersonEvent['kind']; fields: object } {
  if (input.photo) {
    const bytes = input.photo === true ? samplePhoto() : Buffer.from(input.photo, 'base64')
    const png = bytes.subarray(1, 4).toString('latin1') === 'PNG'
    const file = bot.files.add('photos', png ? 'png' : 'jpg', png ? 'image/png' : 'image/jpeg', bytes)
    const { file_path: _, ...info } = file.info
    return { kind: 'photo', fields: { photo: [{ ...info, width: 32, height: 32 }] } }
  }
  if (input.voice) {
    const bytes = input.voice === true ? sampleVoice() : Buffer.from(input.voice, 'base64')
    const { file_path: _, ...info } = bot.files.add('voice', 'oga', 'audio/ogg', bytes).info
    return { kind: 'voice', fields: { voice: { ...info, duration: 1, mime_type: 'audio/ogg' } } }
  }
  if (input.document) {
    const { name, base64 } = input.document
    const bytes = base64 === undefined ? Buffer.from(`Sample of ${name}\n`) : Buffer.from(base64, 'base64')
    const extension = /\.(\w+)$/.exec(name)?.[1] ?? 'bin'
    const mimeType = mimeTypes[extension.toLowerCase()] ?? 'application/octet-stream'
    const { file_path: _, ...info } = bot.files.add('documents', extension, mimeType, bytes).info
    return { kind: 'document', fields: { document: { ...info, file_name: name, mime_type: mimeType } } }
  }
  const text = input.text ?? ''
  const command = /^\/\w+(@\w+)?/.exec(text)?.[0]
  const entities = command ? [{ type: 'bot_command', offset: 0, length: command.length }] : undefined
  return { kind: 'text', fields: { text, ...(entities ? { entities } : {}) } }
}

const mimeTypes: Record<string, string> = {
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  json: 'application/json',
  png: 'image/png',
  jpg: 'image/jpeg',
}
