import type { Readable } from 'node:stream'
import type { Ctx } from '../../context.ts'
import { notFound } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import { readStored } from '../../storage/sealed-file.ts'
import { type Store, StoredFileMissing } from '../../storage/store.ts'
import { storedAttachment } from './attachment.ts'

/** The stored file of an attachment, as it is read. Errors: file_gone. */
export async function openFile({
  ctx,
  vault,
  store,
  input,
}: {
  ctx: Pick<Ctx, 'db' | 'clock'>
  vault: Vault
  store: Store
  input: { attachmentId: string }
}): Promise<{ name: string; mimeType: string; sizeBytes: number; stream: Readable }> {
  const found = await ctx.db.attachment.findUnique({ where: { id: input.attachmentId } })
  if (!found || found.keyEncrypted === null || found.state !== 'STORED') throw gone()
  if (found.expiresAt.getTime() <= ctx.clock.now()) throw gone()
  const { keyEncrypted } = found
  const stored = { name: storedAttachment(found.id), keyEncrypted }
  const stream = await readStored({ vault, store }, stored).catch((error: unknown) => {
    throw error instanceof StoredFileMissing ? gone() : error
  })
  return { name: found.name, mimeType: found.mimeType, sizeBytes: Number(found.sizeBytes), stream }
}

const gone = () => notFound('This file is not there any more.', 'file_gone')
