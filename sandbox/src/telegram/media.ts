import { z } from 'zod'
import {
  type Call,
  chatId,
  format,
  type Method,
  message,
  parseMode,
  read,
  record,
  replyMarkup,
  seconds,
} from './call.ts'
import { badRequest } from './errors.ts'

/** The longest caption after entity parsing (https://core.telegram.org/bots/api#sendphoto). */
const longestCaption = 1024
/** What a bot may upload (https://core.telegram.org/bots/api#sending-files). */
const largestPhotoBytes = 10 * 1024 * 1024
const largestFileBytes = 50 * 1024 * 1024

const mediaInput = z.object({
  chat_id: chatId,
  caption: z.string().default(''),
  parse_mode: parseMode,
  reply_markup: replyMarkup,
})

/** What the bot sends besides text, uploaded in a form; by lower-case name. */
export const mediaMethods: Record<string, Method> = {
  sendphoto: async (call) => {
    const { bytes, file } = await upload(call, 'photo', largestPhotoBytes)
    if (!/^image\/(png|jpeg|webp|gif)$/.test(sniff(bytes))) throw badRequest('IMAGE_PROCESS_FAILED')
    return send(call, bytes, file.name, 'photos', sniff(bytes), (info) => ({
      photo: [{ ...info, width: 32, height: 32 }],
    }))
  },

  sendvoice: async (call) => {
    const { bytes, file } = await upload(call, 'voice', largestFileBytes)
    return send(call, bytes, file.name, 'voice', 'audio/ogg', (info) => ({
      voice: { ...info, duration: 1, mime_type: 'audio/ogg' },
    }))
  },

  senddocument: async (call) => {
    const { bytes, file } = await upload(call, 'document', largestFileBytes)
    const mimeType = file.type || 'application/octet-stream'
    return send(call, bytes, file.name, 'documents', mimeType, (info) => ({
      document: { ...info, file_name: file.name, mime_type: mimeType },
    }))
  },
}

/** A part of the form, named by the parameter itself or by attach://NAME in it. */
async function upload({ request }: Call, field: string, largestBytes: number) {
  const given = request.body[field]
  const attached = typeof given === 'string' ? /^attach:\/\/(.+)$/.exec(given)?.[1] : undefined
  const file = attached === undefined ? given : request.body[attached]
  if (!(file instanceof File)) throw badRequest(`there is no ${field} in the request`)
  if (file.size === 0) throw badRequest('file must be non-empty')
  if (file.size > largestBytes) throw badRequest('file is too big')
  return { file, bytes: Buffer.from(await file.arrayBuffer()) }
}

function send(
  call: Call,
  bytes: Buffer,
  name: string,
  folder: string,
  mimeType: string,
  content: (info: object) => object,
) {
  const input = read(mediaInput, call.request.body)
  const chat = call.bot.chats.find(input.chat_id)
  const { text: caption, entities } = format(input.caption, input.parse_mode)
  if (caption.length > longestCaption) throw badRequest('message caption is too long')
  const { file_path: path, ...info } = call.bot.files.add(folder, extensionOf(name), mimeType, bytes).info
  const id = call.bot.chats.nextMessageId()
  chat.sent.set(id, {
    ...content(info),
    ...(caption !== '' && { caption, caption_entities: entities }),
    date: seconds(),
    ...(input.reply_markup && { reply_markup: input.reply_markup }),
  })
  const url = `/telegram/file/bot${call.token}/${path}`
  const file = { name, mimeType, sizeBytes: bytes.length, url }
  record(call, chat, { id, kind: 'media', text: input.caption, plainText: caption, file }, input)
  return message(call, chat, id)
}

const extensionOf = (name: string) => /\.(\w{1,8})$/.exec(name)?.[1] ?? 'bin'

/** Telegram looks at the bytes of a photo, not at its name. */
function sniff(bytes: Buffer): string {
  const head = bytes.subarray(0, 12).toString('latin1')
  if (head.startsWith('\x89PNG')) return 'image/png'
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg'
  if (head.startsWith('GIF8')) return 'image/gif'
  if (head.startsWith('RIFF') && head.endsWith('WEBP')) return 'image/webp'
  return 'application/octet-stream'
}
