import { z } from 'zod'
import { samplePhoto, sampleVideo, sampleVoice } from '../samples.ts'
import type { Bot } from './bot.ts'
import type { PersonEvent } from './chats.ts'

const sampleOrBase64 = z.union([z.literal(true), z.base64()])

/** What one message of a person can hold: exactly one of these. */
export const contentFields = {
  text: z.string().min(1).optional(),
  photo: sampleOrBase64.optional(),
  voice: sampleOrBase64.optional(),
  audio: z.object({ name: z.string().min(1), base64: z.base64().optional() }).optional(),
  video: sampleOrBase64.optional(),
  document: z.object({ name: z.string().min(1), base64: z.base64().optional() }).optional(),
  location: z
    .object({ latitude: z.number().min(-90).max(90), longitude: z.number().min(-180).max(180) })
    .optional(),
  contact: z.object({ phoneNumber: z.string().min(1), firstName: z.string().min(1) }).optional(),
  sticker: z.object({ emoji: z.string().min(1), animated: z.boolean().default(false) }).optional(),
}
const contentInput = z.object(contentFields)
export const contentKinds = z.keyof(contentInput).options

export interface Content {
  kind: PersonEvent['kind']
  /** Fields of a Message: https://core.telegram.org/bots/api#message */
  fields: object
}

/** Files are stored, so that the bot can fetch them; media without bytes gets a real sample. */
export function contentOf(bot: Bot, input: z.infer<typeof contentInput>): Content {
  if (input.photo) {
    const bytes = input.photo === true ? samplePhoto() : Buffer.from(input.photo, 'base64')
    const png = bytes.subarray(1, 4).toString('latin1') === 'PNG'
    const info = stored(bot, 'photos', png ? 'png' : 'jpg', png ? 'image/png' : 'image/jpeg', bytes)
    return { kind: 'photo', fields: { photo: [{ ...info, width: 32, height: 32 }] } }
  }
  if (input.voice) {
    const bytes = input.voice === true ? sampleVoice() : Buffer.from(input.voice, 'base64')
    const info = stored(bot, 'voice', 'oga', 'audio/ogg', bytes)
    return { kind: 'voice', fields: { voice: { ...info, duration: 1, mime_type: 'audio/ogg' } } }
  }
  if (input.audio) {
    const { name, base64 } = input.audio
    const bytes = base64 === undefined ? sampleVoice() : Buffer.from(base64, 'base64')
    const info = stored(bot, 'music', 'ogg', 'audio/ogg', bytes)
    const audio = { ...info, duration: 1, file_name: name, mime_type: 'audio/ogg' }
    return { kind: 'audio', fields: { audio } }
  }
  if (input.video) {
    const bytes = input.video === true ? sampleVideo() : Buffer.from(input.video, 'base64')
    const info = stored(bot, 'videos', 'mp4', 'video/mp4', bytes)
    const video = { ...info, duration: 1, width: 32, height: 32, mime_type: 'video/mp4' }
    return { kind: 'video', fields: { video } }
  }
  if (input.document) {
    const { name, base64 } = input.document
    const bytes = base64 === undefined ? Buffer.from(`Sample of ${name}\n`) : Buffer.from(base64, 'base64')
    const extension = /\.(\w+)$/.exec(name)?.[1] ?? 'bin'
    const mimeType = mimeTypes[extension.toLowerCase()] ?? 'application/octet-stream'
    const info = stored(bot, 'documents', extension, mimeType, bytes)
    return { kind: 'document', fields: { document: { ...info, file_name: name, mime_type: mimeType } } }
  }
  if (input.location) return { kind: 'location', fields: { location: input.location } }
  if (input.contact) {
    const { phoneNumber, firstName } = input.contact
    return { kind: 'contact', fields: { contact: { phone_number: phoneNumber, first_name: firstName } } }
  }
  if (input.sticker) {
    const { emoji, animated } = input.sticker
    const [extension, mimeType] = animated ? ['tgs', 'application/x-tgsticker'] : ['webp', 'image/webp']
    const info = stored(bot, 'stickers', extension, mimeType, samplePhoto())
    const shape = { type: 'regular', width: 512, height: 512, is_animated: animated, is_video: false }
    return { kind: 'sticker', fields: { sticker: { ...info, ...shape, emoji } } }
  }
  const text = input.text ?? ''
  const command = /^\/\w+(@\w+)?/.exec(text)?.[0]
  const entities = command ? [{ type: 'bot_command', offset: 0, length: command.length }] : undefined
  return { kind: 'text', fields: { text, ...(entities ? { entities } : {}) } }
}

/** A file as a message names it: without the path that getFile tells. */
function stored(bot: Bot, folder: string, extension: string, mimeType: string, bytes: Buffer) {
  const { file_path: _, ...info } = bot.files.add(folder, extension, mimeType, bytes).info
  return info
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
