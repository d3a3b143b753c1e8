import { randomBytes } from 'node:crypto'
import type { Ctx } from '../../context.ts'
import type { Vault } from '../../lib/vault.ts'
import { dayMs, plan } from '../../plan.ts'
import type { Store } from '../../storage/store.ts'
import { type AttachmentView, storedAttachment, viewColumns, viewOf } from './attachment.ts'
import { detectType } from './detect-type.ts'
import { shownName } from './file-name.ts'
import { fileLimits } from './limits.ts'
import { sealFile } from './seal-file.ts'

export interface StoreFileInput {
  userId: string
  /** As somebody named it; for showing. */
  name: string
  /** What it is said to be: its content decides. */
  mimeType: string
  bytes: AsyncIterable<Uint8Array>
  /** Absent = what an assistant may send. */
  maxBytes?: number
  signal?: AbortSignal
}

/**
 * Keeps a file until a message takes it along: whatever has the attachment's id and the user's may do so, once. One that
 * no message took is gone after a day. Errors: file_too_large, file_empty.
 *
 * @example
 * const { id } = await storeFile({ ctx, vault, store, input: { userId, name, mimeType, bytes } })
 * await storeOutgoing(tx, ctx, { userId, to, kind: 'CHAT', text, attachmentIds: [id] })
 */
export async function storeFile({
  ctx,
  vault,
  store,
  input,
}: {
  ctx: Pick<Ctx, 'db' | 'clock'>
  vault: Vault
  store: Store
  input: StoreFileInput
}): Promise<AttachmentView> {
  const { userId, bytes, signal } = input
  const key = randomBytes(32)
  const now = ctx.clock.now()
  // The row before the file: a file without one is nobody's, and swept.
  const { id } = await ctx.db.attachment.create({
    data: {
      userId,
      kind: 'DOCUMENT',
      name: shownName(input.name),
      mimeType: 'application/octet-stream',
      state: 'WAITING',
      keyEncrypted: await vault.seal(key.toString('base64')),
      createdAt: new Date(now),
      expiresAt: new Date(now + plan.fileDays * dayMs),
    },
  })
  try {
    const name = storedAttachment(id)
    const maxBytes = input.maxBytes ?? fileLimits.outbound
    const { sizeBytes, head } = await sealFile({ store, name, key, bytes, maxBytes, signal })
    const type = await detectType(head, input.mimeType)
    const row = await ctx.db.attachment.update({
      where: { id },
      data: { ...type, sizeBytes, state: 'STORED' },
      select: viewColumns,
    })
    return viewOf(row)
  } catch (error) {
    await store.delete(storedAttachment(id))
    await ctx.db.attachment.deleteMany({ where: { id } })
    throw error
  }
}
