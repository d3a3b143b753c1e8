import { Prisma, type Transaction } from '@yourclaw/db'
import type { OutgoingFile } from '../../channels/sender.ts'
import { invalidInput } from '../../errors.ts'
import { maxFiles } from './limits.ts'

/**
 * Files of a user that are stored and go with no message yet, in this order. Only under the assistant's lock, so that
 * nobody else takes one of them. Errors: file_unknown, too_many_files.
 */
export async function unsentFiles(
  tx: Transaction,
  input: { userId: string; attachmentIds: readonly string[] },
): Promise<OutgoingFile[]> {
  const { userId, attachmentIds } = input
  if (attachmentIds.length === 0) return []
  if (attachmentIds.length > maxFiles)
    throw invalidInput(`A message takes ${maxFiles} files.`, 'too_many_files')
  const rows = await tx.attachment.findMany({
    where: { id: { in: [...attachmentIds] }, userId, messageId: null, state: 'STORED' },
    select: { id: true, kind: true, name: true, mimeType: true, sizeBytes: true },
  })
  const byId = new Map(rows.map((row) => [row.id, row]))
  return [...new Set(attachmentIds)].map((id) => {
    const row = byId.get(id)
    if (!row) throw invalidInput('That file is not there, or went with another message.', 'file_unknown')
    return { ...row, sizeBytes: Number(row.sizeBytes) }
  })
}

/** They go with this message from now on. */
export async function attachTo(
  tx: Transaction,
  messageId: string,
  files: readonly { id: string }[],
): Promise<void> {
  for (const [position, { id }] of files.entries())
    await tx.attachment.update({ where: { id }, data: { messageId, position } })
}

/** What is refused keeps nothing but what its files were called: they are never fetched, or removed by the next sweep. */
export async function dropFiles(
  tx: Transaction,
  of: { messageId: string } | { message: { turnId: string; direction: 'INBOUND' } },
  at: Date,
): Promise<void> {
  await tx.attachment.updateMany({
    where: of,
    data: { state: 'EXPIRED', source: Prisma.DbNull, expiresAt: at },
  })
}

/** What goes with a message, in order. */
export async function filesOf(tx: Transaction, messageId: string): Promise<OutgoingFile[]> {
  const rows = await tx.attachment.findMany({
    where: { messageId, state: 'STORED' },
    orderBy: { position: 'asc' },
    select: { id: true, kind: true, name: true, mimeType: true, sizeBytes: true },
  })
  return rows.map((row) => ({ ...row, sizeBytes: Number(row.sizeBytes) }))
}
