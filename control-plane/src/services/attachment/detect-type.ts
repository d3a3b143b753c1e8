import type { AttachmentKind } from '@yourclaw/db'
import { fileTypeFromBuffer } from 'file-type'

/** So much of a file's beginning says what it is. */
export const headBytes = 4_100

/** Text whose kind its content does not say: its sender is believed. */
const textual = /^(text\/[\w.+-]{1,60}|application\/(json|xml|yaml|x-yaml|toml|sql|rtf))$/
const unknownType = 'application/octet-stream'

export interface DetectedType {
  mimeType: string
  kind: AttachmentKind
}

/** What a file is, by its content; what its sender says counts only between kinds of text. Nothing is unpacked. */
export async function detectType(head: Uint8Array, declared: string): Promise<DetectedType> {
  const mimeType = await mimeTypeOf(head, declared)
  return { mimeType, kind: kindOf(mimeType) }
}

async function mimeTypeOf(head: Uint8Array, declared: string): Promise<string> {
  const detected = await fileTypeFromBuffer(head).catch(() => undefined)
  // Marked-up text runs scripts in a browser, whatever it is called: it is shown as the text that it is.
  if (detected?.mime === 'application/xml') return 'text/plain'
  if (detected) return detected.mime.split(';')[0] ?? unknownType
  if (!isText(head)) return unknownType
  const said = declared.toLowerCase().split(';')[0]?.trim() ?? ''
  return textual.test(said) ? said : 'text/plain'
}

/** The last characters may be cut. */
function isText(head: Uint8Array): boolean {
  if (head.includes(0)) return false
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true })
    return true
  } catch {
    return false
  }
}

const pictures = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif'])

export function kindOf(mimeType: string): AttachmentKind {
  if (pictures.has(mimeType)) return 'IMAGE'
  if (mimeType.startsWith('audio/')) return 'AUDIO'
  if (mimeType.startsWith('video/')) return 'VIDEO'
  return 'DOCUMENT'
}
