import type { OutgoingFile, Payload } from './sender.ts'

/** Telegram's limit, the lower one (https://core.telegram.org/bots/api#sendphoto). */
const longestCaption = 1024

/** One file and few words are one part; otherwise the words go first, then each file. */
export function withFiles(words: Payload[], files: readonly OutgoingFile[]): Payload[] {
  const [only, ...more] = words
  const [file, ...others] = files
  if (only && file && more.length === 0 && others.length === 0 && takesCaption(file, only))
    return [{ ...only, file }]
  return [...words, ...files.map((one) => ({ text: '', file: one }))]
}

/** What is heard has no place for words on WhatsApp. */
const takesCaption = ({ kind }: OutgoingFile, { text, buttons }: Payload) =>
  text.length <= longestCaption && buttons === undefined && kind !== 'AUDIO' && kind !== 'STICKER'

/** The words of a part whose file can only be fetched: its name, size and address follow them. */
export function linkLine({ name, sizeBytes }: OutgoingFile, url: string): string {
  return `${name || 'File'} (${readableSize(sizeBytes)}): ${url}`
}

function readableSize(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} kB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}
