import type { AttachmentKind } from '@yourclaw/db'
import { z } from 'zod'
import type { IncomingFile } from '../../services/attachment/incoming.ts'
import { maxFiles } from '../../services/attachment/limits.ts'
import { excerpt } from '../../services/conversation/quote.ts'
import { sanitize } from '../../services/conversation/sanitize.ts'
import { type PressedButton, readButton } from '../../services/question/button.ts'

/** What a message of WhatsApp's holds beside its text, as Twilio posts it. */
const contents = z.looseObject({
  NumMedia: z.coerce.number().int().min(0).catch(0),
  /** text, image, location, contacts, …; what is new appears here without notice. */
  MessageType: z.string().optional().catch(undefined),
  Latitude: z.coerce.number().optional().catch(undefined),
  Longitude: z.coerce.number().optional().catch(undefined),
  Address: z.string().default('').catch(''),
  Label: z.string().default('').catch(''),
  Forwarded: z.string().optional().catch(undefined),
  FrequentlyForwarded: z.string().optional().catch(undefined),
  /** The sid of the message that this one answers. */
  OriginalRepliedMessageSid: z.string().max(100).optional().catch(undefined),
  /** What the pressed button, or the chosen line of a list, was sent with. */
  ButtonPayload: z.string().max(300).optional().catch(undefined),
  ListId: z.string().max(300).optional().catch(undefined),
  ButtonText: z.string().default('').catch(''),
  ListTitle: z.string().default('').catch(''),
})

export interface TwilioContents {
  /** What is no file and becomes words. */
  words: string
  files: IncomingFile[]
  forwarded: string
  repliedSid: string | undefined
  /** The button that it is a press on, where it is one of ours. */
  pressed: PressedButton | undefined
  /** What any pressed button says to the person. */
  title: string
  /** It holds something, and none of it is known here. */
  isUnknown: boolean
}

/** Kinds that hold what a person said on purpose; others that are no text say nothing to us. */
const meantKinds = new Set(['image', 'audio', 'video', 'document', 'sticker', 'location', 'contacts'])

export function contentsOf(parameters: unknown): TwilioContents {
  const found = contents.parse(parameters)
  const { MessageType: type = '', Latitude: latitude, Longitude: longitude } = found
  const files = filesOf(found)
  const name = excerpt([found.Label, found.Address].filter((part) => part !== '').join(', '))
  const isPlace = latitude !== undefined && longitude !== undefined
  const words = isPlace ? `[Location: ${latitude}, ${longitude}${name === '' ? '' : ` (${name})`}]` : ''
  const isForwarded = found.Forwarded === 'true' || found.FrequentlyForwarded === 'true'
  return {
    words: sanitize(words),
    files,
    forwarded: isForwarded ? '[Forwarded:]' : '',
    repliedSid: found.OriginalRepliedMessageSid,
    pressed: readButton(found.ButtonPayload ?? found.ListId ?? '') ?? undefined,
    title: found.ButtonText || found.ListTitle,
    isUnknown: words === '' && files.length === 0 && (found.NumMedia > 0 || meantKinds.has(type)),
  }
}

function filesOf({ NumMedia, MessageType, ...parameters }: z.output<typeof contents>): IncomingFile[] {
  return Array.from({ length: Math.min(NumMedia, maxFiles) }).flatMap((_, index) => {
    const url = z.url().max(2_000).safeParse(parameters[`MediaUrl${index}`])
    if (!url.success) return []
    const mimeType = z.string().max(200).catch('').parse(parameters[`MediaContentType${index}`])
    const kind = MessageType === 'sticker' ? 'STICKER' : kindOf(mimeType)
    const name = kind === 'DOCUMENT' ? z.string().catch('').parse(parameters[`MediaFilename${index}`]) : ''
    return [{ kind, name, mimeType, source: { at: 'twilio', url: url.data } }]
  })
}

function kindOf(mimeType: string): AttachmentKind {
  if (mimeType.startsWith('image/')) return 'IMAGE'
  if (mimeType.startsWith('audio/')) return 'AUDIO'
  return mimeType.startsWith('video/') ? 'VIDEO' : 'DOCUMENT'
}
