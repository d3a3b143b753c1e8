import type { Attachment } from '@yourclaw/db'
import { workspacePath } from './workspace-name.ts'

export type Described = Pick<
  Attachment,
  'id' | 'kind' | 'name' | 'mimeType' | 'sizeBytes' | 'state' | 'code' | 'transcript' | 'createdAt'
>

/** What the model is told of a message: what it answers or passes on, its words, and a line for each file. */
export function describeMessage(message: {
  context: string | null
  body: string
  attachments: readonly Described[]
}): string {
  const lines = [message.context ?? '', message.body, ...message.attachments.map(describeFile)]
  return lines.filter((line) => line.trim() !== '').join('\n')
}

/** Whether the assistant gets the file itself. What was said is words, and a sticker is a picture to look at. */
export const isPlaced = ({ kind, transcript, name }: Pick<Attachment, 'kind' | 'transcript' | 'name'>) =>
  kind !== 'STICKER' && (kind !== 'AUDIO' || transcript === null || name !== '')

/** What the model is told of an earlier message of its own. */
export function describeAnswer({ body, attachments }: { body: string; attachments: readonly Described[] }) {
  const lines = [body, ...attachments.map(({ name }) => `[You sent the file "${name}".]`)]
  return lines.filter((line) => line.trim() !== '').join('\n')
}

function describeFile(file: Described): string {
  const { kind, name, transcript, state } = file
  if (state === 'FAILED') return describeMissing(file)
  if (state === 'WAITING') return `[${titleOf(file)}]`
  if (kind === 'STICKER') return `[Sticker${name === '' ? '' : `: ${name}`}]`
  const place = isPlaced(file) ? `, saved as ${workspacePath(file)} in your workspace` : ''
  const said = transcript === null ? '' : `\n${transcript}`
  const trouble =
    file.code === null ? '' : `; ${reasons[file.code] ?? reasons.file_unavailable}, which the user was told`
  return `[${titleOf(file)}${place}${trouble}${said === '' ? '' : ', transcribed:'}]${said}`
}

/** Of a file that the assistant does not get. */
export function describeMissing(file: Pick<Described, 'kind' | 'name' | 'mimeType' | 'code'>): string {
  const why = reasons[file.code ?? ''] ?? reasons.file_unavailable
  return `[${titleOf(file)} did not arrive: ${why}. The user was told.]`
}

const titleOf = (file: Pick<Described, 'kind' | 'name' | 'mimeType'>) =>
  file.name === '' ? wordOf(file) : `${wordOf(file)} "${file.name}"`

function wordOf({ kind, mimeType }: Pick<Described, 'kind' | 'mimeType'>): string {
  if (kind === 'IMAGE') return 'Picture'
  if (kind === 'STICKER') return 'Sticker'
  if (kind === 'AUDIO') return 'Voice message or sound'
  if (kind === 'VIDEO') return 'Video'
  return `File (${mimeType})`
}

/** Why a file was not taken, as the end of a sentence; also for people. */
export const reasons: Record<string, string> = {
  file_too_large: 'it is larger than 20 MB',
  file_empty: 'it is empty',
  file_unavailable: 'it could not be fetched',
  picture_too_large: 'it has more than 50 megapixels',
  picture_unreadable: 'it is no picture that can be read',
  sound_too_long: 'it is too long to be listened to',
  transcription_failed: 'it could not be listened to at the moment',
  not_heard: 'nothing in it could be understood',
  files_day_limit: 'it was more than what can be sent in a day',
  listening_day_limit: 'no more sound is listened to today',
  too_many_files: 'there were too many files at once',
  host_too_old: 'the host of your assistant cannot take files yet',
}

/** For the person. */
export function notTaken({ name, kind, code }: Pick<Attachment, 'name' | 'kind' | 'code'>): string {
  const what = {
    IMAGE: 'picture',
    AUDIO: 'voice message',
    VIDEO: 'video',
    DOCUMENT: 'file',
    STICKER: 'sticker',
  }[kind]
  const called = name === '' || kind === 'STICKER' ? '' : ` “${name}”`
  return `I could not take your ${what}${called}: ${reasons[code ?? ''] ?? reasons.file_unavailable}.`
}
