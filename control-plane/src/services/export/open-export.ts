import type { Readable } from 'node:stream'
import type { Ctx } from '../../context.ts'
import { notFound } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import { readStored } from '../../storage/sealed-file.ts'
import { type Store, StoredFileMissing } from '../../storage/store.ts'
import { storedExport } from './stored-export.ts'

/** The file of an export that is ready, as it is read. Errors: export_gone. */
export async function openExport({
  ctx,
  vault,
  store,
  input,
}: {
  ctx: Ctx
  vault: Vault
  store: Store
  input: { exportId: string }
}): Promise<{ name: string; stream: Readable }> {
  const found = await ctx.db.export.findUnique({ where: { id: input.exportId } })
  const isThere = found?.status === 'READY' && (found.expiresAt?.getTime() ?? 0) > ctx.clock.now()
  if (!found || !isThere) throw gone()
  const { keyEncrypted } = found
  const stored = { name: storedExport(found.id), keyEncrypted }
  const stream = await readStored({ vault, store }, stored).catch((error: unknown) => {
    throw error instanceof StoredFileMissing ? gone() : error
  })
  return { name: `yourclaw-${found.createdAt.toISOString().slice(0, 10)}.zip`, stream }
}

const gone = () => notFound('This export is not there any more. Ask for a new one.', 'export_gone')
