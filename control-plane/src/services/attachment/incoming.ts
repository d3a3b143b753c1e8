import type { AttachmentKind } from '@yourclaw/db'
import { dayMs, plan } from '../../plan.ts'
import type { Source } from './attachment.ts'
import { shownName } from './file-name.ts'
import { maxFiles } from './limits.ts'

/** A file of an incoming message, as its webhook tells of it: nothing of it was looked at yet. */
export interface IncomingFile {
  kind: AttachmentKind
  /** As its sender named it. */
  name: string
  /** As its sender says. */
  mimeType: string
  sizeBytes?: number | undefined
  source: Source
}

/** Rows for files that wait to be fetched by the turn that takes their message. */
export function incomingRows(input: {
  userId: string
  messageId: string
  files: readonly IncomingFile[]
  at: Date
}) {
  const { userId, messageId, files, at } = input
  return files.slice(0, maxFiles).map(({ kind, name, mimeType, sizeBytes, source }, position) => ({
    userId,
    messageId,
    position,
    kind,
    name: shownName(name),
    mimeType: mimeType.slice(0, 200),
    sizeBytes: sizeBytes ?? null,
    state: 'WAITING' as const,
    source,
    createdAt: at,
    expiresAt: new Date(at.getTime() + plan.fileDays * dayMs),
  }))
}
