import { linkLine } from './file-parts.ts'
import type { OutgoingFile, OutgoingFiles } from './sender.ts'

const mebibyte = 1024 * 1024

/**
 * What WhatsApp takes, and how much of it, by Twilio
 * (https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages). Everything else goes as a link.
 */
const takes: readonly { types: RegExp; maxBytes: number }[] = [
  { types: /^image\/(jpeg|png)$/, maxBytes: 5 * mebibyte },
  { types: /^audio\/(ogg|mpeg|mp4|aac|amr|x-m4a)$/, maxBytes: 16 * mebibyte },
  { types: /^video\/mp4$/, maxBytes: 16 * mebibyte },
  {
    types:
      /^(text\/plain|application\/(pdf|msword|vnd\.ms-(excel|powerpoint)|vnd\.openxmlformats-officedocument\.(wordprocessingml\.document|spreadsheetml\.sheet|presentationml\.presentation)))$/,
    maxBytes: 16 * mebibyte,
  },
]

/** The contents of a message with a file: its address for Twilio to fetch, or words that lead to it. */
export async function mediaOf(file: OutgoingFile, text: string, files: OutgoingFiles) {
  const isTaken = takes.some(({ types, maxBytes }) => types.test(file.mimeType) && file.sizeBytes <= maxBytes)
  if (isTaken) {
    const mediaUrl = [await files.link(file.id, 'provider')]
    return text === '' ? { mediaUrl } : { mediaUrl, body: text }
  }
  const line = linkLine(file, await files.link(file.id, 'person'))
  return { body: text === '' ? line : `${text}\n\n${line}` }
}
