import type { Attachment, AttachmentKind, AttachmentState } from '@yourclaw/db'
import { z } from 'zod'

/** Where a provider keeps a file that somebody sent, as its message names it. */
export const sourceSchema = z.discriminatedUnion('at', [
  z.object({
    at: z.literal('telegram'),
    fileId: z.string().min(1).max(500),
    /** The same for whatever id names the file. */
    uniqueId: z.string().max(500).optional(),
  }),
  z.object({ at: z.literal('twilio'), url: z.url().max(2_000) }),
])
export type Source = z.infer<typeof sourceSchema>

/** What a person, or a program of theirs, sees of a file. `at` a link is added by whoever can sign one. */
export interface AttachmentView {
  id: string
  kind: AttachmentKind
  name: string
  mimeType: string
  sizeBytes?: number
  state: AttachmentState
  /** What is said in it. */
  transcript?: string
}

export const viewColumns = {
  id: true,
  kind: true,
  name: true,
  mimeType: true,
  sizeBytes: true,
  state: true,
  transcript: true,
} as const

export function viewOf(row: Pick<Attachment, keyof typeof viewColumns>): AttachmentView {
  const { sizeBytes, transcript, ...rest } = row
  return {
    ...rest,
    ...(sizeBytes !== null && { sizeBytes: Number(sizeBytes) }),
    ...(transcript !== null && { transcript }),
  }
}

/** Where the file of an attachment lies in the store: known before it is written, so that whatever was begun is found. */
export const storedAttachment = (attachmentId: string) => `attachments/${attachmentId}`
