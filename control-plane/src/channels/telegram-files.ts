import { type Api, GrammyError, InputFile } from 'grammy'
import { linkLine } from './file-parts.ts'
import type { OutgoingFile, OutgoingFiles, Payload } from './sender.ts'

/** What a bot may upload (https://core.telegram.org/bots/api#sending-files). */
const largestPhotoBytes = 10 * 1024 * 1024
const largestFileBytes = 50 * 1024 * 1024

const photoTypes = new Set(['image/png', 'image/jpeg', 'image/webp'])

type As = 'photo' | 'voice' | 'document'

interface Sending {
  api: Api
  files: OutgoingFiles
  address: string
  payload: Payload
  file: OutgoingFile
}

/**
 * Sends a part with its file. A picture that Telegram does not take as one goes as a document; what it does not take at
 * all is answered with words that lead to it, to be sent instead.
 */
export async function sendFile(
  sending: Sending,
): Promise<{ sent: { message_id: number } } | { instead: Payload }> {
  const as = shapeOf(sending.file)
  if (as === null) return instead(sending)
  try {
    return { sent: await upload(sending, as) }
  } catch (error) {
    if (!(error instanceof GrammyError)) throw error
    if (error.error_code === 413) return instead(sending)
    if (error.error_code === 400 && as !== 'document' && isAboutFile(error))
      return { sent: await upload(sending, 'document') }
    throw error
  }
}

function shapeOf({ mimeType, sizeBytes }: OutgoingFile): As | null {
  if (sizeBytes > largestFileBytes) return null
  if (photoTypes.has(mimeType) && sizeBytes <= largestPhotoBytes) return 'photo'
  return mimeType === 'audio/ogg' ? 'voice' : 'document'
}

/** PHOTO_INVALID_DIMENSIONS, IMAGE_PROCESS_FAILED, VOICE_MESSAGES_FORBIDDEN and their like. */
const isAboutFile = ({ description }: GrammyError) => /photo|image|voice|dimensions/i.test(description)

/** A caption that Telegram cannot read goes as the same words without marks (M7). */
async function upload(sending: Sending, as: As) {
  const { text, html } = sending.payload
  const plain = text === '' ? {} : { caption: text }
  if (html === undefined || text === '') return call(sending, as, plain)
  try {
    return await call(sending, as, { caption: html, parse_mode: 'HTML' })
  } catch (error) {
    if (!(error instanceof GrammyError) || !/parse entities|entity/i.test(error.description)) throw error
    return call(sending, as, plain)
  }
}

/** Opened for each call: what was read once is gone. */
async function call(
  { api, files, address, file }: Sending,
  as: As,
  caption: { caption?: string; parse_mode?: 'HTML' },
) {
  const stream = await files.open(file.id)
  try {
    // grammY writes it into a header of the form as it is.
    const input = new InputFile(stream, `"${file.name.replace(/["\\]/g, "'") || 'file'}"`)
    if (as === 'photo') return await api.sendPhoto(address, input, caption)
    if (as === 'voice') return await api.sendVoice(address, input, caption)
    return await api.sendDocument(address, input, caption)
  } finally {
    stream.destroy()
  }
}

async function instead({ files, file, payload }: Sending): Promise<{ instead: Payload }> {
  const line = linkLine(file, await files.link(file.id, 'person'))
  return { instead: { text: payload.text === '' ? line : `${payload.text}\n\n${line}` } }
}
