import type { Readable } from 'node:stream'
import type { Ctx } from '../../context.ts'
import { notFound } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import { unsealStream } from '../../storage/sealed-file.ts'
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
  const key = Buffer.from(await vault.open(found.keyEncrypted), 'base64')
  const sealed = await store.get(storedExport(found.id)).catch((error: unknown) => {
    throw error instanceof StoredFileMissing ? gone() : error
  })
  const stream = unsealStream(key)
  sealed.once('error', (error) => stream.destroy(error)).pipe(stream)
  stream.once('close', () => sealed.destroy())
  return { name: `yourclaw-${found.createdAt.toISOString().slice(0, 10)}.zip`, stream }
}

const gone = () => notFound('This export is not there any more. Ask for a new one.', 'export_gone')
