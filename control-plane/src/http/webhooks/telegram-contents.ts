import { z } from 'zod'
import type { IncomingFile } from '../../services/attachment/incoming.ts'
import { excerpt, type RepliedWords } from '../../services/conversation/quote.ts'
import { sanitize } from '../../services/conversation/sanitize.ts'

import type { TelegramMessage } from './telegram-updates.ts'

/*
 * What a message of Telegram's holds beside its text (https://core.telegram.org/bots/api#message): files, what becomes
 * words, and whom it answers or quotes. A part that is not as we know it is passed over.
 */
const file = z.object({
  file_id: z.string().min(1).max(500),
  file_unique_id: z.string().max(500).optional(),
  file_size: z.number().int().optional(),
  file_name: z.string().optional(),
  mime_type: z.string().optional(),
})
const photo = z.array(file.extend({ width: z.number(), height: z.number() })).min(1)
const sticker = file.extend({
  emoji: z.string().optional(),
  is_animated: z.boolean().default(false),
  is_video: z.boolean().default(false),
})
const location = z.object({ latitude: z.number(), longitude: z.number() })
const venue = z.object({ location, title: z.string(), address: z.string() })
const contact = z.object({
  phone_number: z.string(),
  first_name: z.string(),
  last_name: z.string().optional(),
})
const poll = z.object({ question: z.string(), options: z.array(z.object({ text: z.string() })) })
const dice = z.object({ emoji: z.string(), value: z.number() })
const quoted = z.object({
  message_id: z.number().int().optional(),
  from: z.object({ is_bot: z.boolean().optional() }).optional(),
  text: z.string().optional(),
  caption: z.string().optional(),
})
const origin = z.object({
  sender_user: z.object({ first_name: z.string() }).optional(),
  sender_user_name: z.string().optional(),
  sender_chat: z.object({ title: z.string().optional() }).optional(),
  chat: z.object({ title: z.string().optional() }).optional(),
})

export interface TelegramContents {
  body: string
  context: string | undefined
  /** The message that it answers, and what Telegram says of it. */
  repliedSid: string | undefined
  repliedWords: RepliedWords | undefined
  files: IncomingFile[]
  isForwarded: boolean
  /** It holds something, and none of it is known here. */
  isUnknown: boolean
}

export function contentsOf(message: TelegramMessage): TelegramContents {
  const text = message.text ?? message.caption ?? ''
  const files = filesOf(message)
  const words = wordsOf(message)
  const isForwarded = message.forward_origin !== undefined
  const context = sanitize(passedOn(message))
  const isKnown = text !== '' || words !== '' || files.length > 0 || isService(message)
  return {
    body: sanitize([words, text].filter((line) => line !== '').join('\n')),
    context: context === '' ? undefined : context,
    ...answered(message),
    files,
    isForwarded,
    isUnknown: !isKnown,
  }
}

const parsed = <T extends z.ZodType>(schema: T, value: unknown): z.output<T> | undefined =>
  value === undefined ? undefined : schema.safeParse(value).data

function filesOf(message: TelegramMessage): IncomingFile[] {
  // Smallest first; the last is the picture as it was sent.
  const picture = parsed(photo, message.photo)?.at(-1)
  if (picture) return [incoming('IMAGE', { ...picture, mime_type: 'image/jpeg' })]
  const stuck = parsed(sticker, message.sticker)
  if (stuck) {
    const isStill = !stuck.is_animated && !stuck.is_video
    return isStill ? [{ ...incoming('STICKER', stuck), name: stuck.emoji ?? '' }] : []
  }
  const voice = parsed(file, message.voice)
  if (voice) return [incoming('AUDIO', { ...voice, file_name: '' })]
  const audio = parsed(file, message.audio)
  if (audio) return [incoming('AUDIO', { ...audio, file_name: audio.file_name ?? 'audio' })]
  const video = parsed(file, message.video) ?? parsed(file, message.video_note)
  if (video) return [incoming('VIDEO', video)]
  // What moves without sound comes twice: as `animation` and as `document`.
  const document = parsed(file, message.document)
  return document ? [incoming('DOCUMENT', document)] : []
}

function incoming(kind: IncomingFile['kind'], found: z.output<typeof file>): IncomingFile {
  const { file_id: fileId, file_unique_id: uniqueId, file_name: name = '' } = found
  const { mime_type: mimeType = '', file_size: sizeBytes } = found
  const source = { at: 'telegram', fileId, ...(uniqueId !== undefined && { uniqueId }) } as const
  return { kind, name, mimeType, sizeBytes, source }
}

/** What is no file and becomes words that a model understands. */
function wordsOf(message: TelegramMessage): string {
  const place = parsed(venue, message.venue)
  if (place) return locationWords({ ...place.location, name: `${place.title}, ${place.address}` })
  const spot = parsed(location, message.location)
  if (spot) return locationWords(spot)
  const person = parsed(contact, message.contact)
  if (person) {
    const name = [person.first_name, person.last_name ?? ''].join(' ').trim()
    return `[Contact: ${name}, ${person.phone_number}]`
  }
  const stuck = parsed(sticker, message.sticker)
  if (stuck && (stuck.is_animated || stuck.is_video))
    return `[Sticker that moves${stuck.emoji === undefined ? '' : `: ${stuck.emoji}`}]`
  const asked = parsed(poll, message.poll)
  if (asked) return `[Poll: ${asked.question} ${asked.options.map(({ text }) => text).join(' / ')}]`
  const rolled = parsed(dice, message.dice)
  return rolled ? `[Dice ${rolled.emoji}: ${rolled.value}]` : ''
}

export function locationWords({
  latitude,
  longitude,
  name = '',
}: {
  latitude: number
  longitude: number
  name?: string
}) {
  return `[Location: ${latitude}, ${longitude}${name === '' ? '' : ` (${name})`}]`
}

function answered(message: TelegramMessage): Pick<TelegramContents, 'repliedSid' | 'repliedWords'> {
  const before = parsed(quoted, message.reply_to_message)
  if (!before) return { repliedSid: undefined, repliedWords: undefined }
  const picked = parsed(z.object({ text: z.string() }), message.quote)?.text
  const text = sanitize(picked ?? before.text ?? before.caption ?? '')
  return {
    repliedSid: before.message_id === undefined ? undefined : String(before.message_id),
    repliedWords: { isOurs: before.from?.is_bot === true, text },
  }
}

function passedOn(message: TelegramMessage): string {
  if (message.forward_origin === undefined) return ''
  const from = parsed(origin, message.forward_origin)
  const name =
    from?.sender_user?.first_name ?? from?.sender_user_name ?? from?.sender_chat?.title ?? from?.chat?.title
  return `[Forwarded${name === undefined ? '' : ` from ${excerpt(name)}`}:]`
}

/** News of the chat itself, such as a pinned message: nothing that somebody said. */
const isService = (message: TelegramMessage) =>
  Object.keys(message).some((key) =>
    /^(new_|left_|delete_|pinned_|group_|channel_|supergroup_|message_auto|write_access|users_shared|chat_shared|boost_|forum_|video_chat|web_app_data)/.test(
      key,
    ),
  )
