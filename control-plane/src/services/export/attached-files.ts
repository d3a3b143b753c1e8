import { Readable } from 'node:stream'
import type { Attachment } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import type { Store } from '../../storage/store.ts'
import { openFile } from '../attachment/open-file.ts'
import type { ExportFile } from './contents.ts'

/** Where a file of a message is in an export; null when it is not there any more. */
export function exportedName({ id, name, state }: Pick<Attachment, 'id' | 'name' | 'state'>): string | null {
  if (state !== 'STORED') return null
  return `files/${id}${/\.[A-Za-z0-9]{1,10}$/.exec(name)?.[0] ?? ''}`
}

/** The files of a person's messages that are still kept. */
export async function attachedFiles({
  ctx,
  vault,
  store,
  input,
}: {
  ctx: Ctx
  vault: Vault
  store: Store
  input: { userId: string }
}): Promise<ExportFile[]> {
  const rows = await ctx.db.attachment.findMany({
    where: { ...input, state: 'STORED' },
    orderBy: { createdAt: 'asc' },
    select: { id: true, name: true, state: true },
  })
  const open = async (attachmentId: string) => {
    try {
      return (await openFile({ ctx, vault, store, input: { attachmentId } })).stream
    } catch (error) {
      // Its time was over while the export was made.
      if (error instanceof ServiceError && error.code === 'file_gone') return Readable.from([])
      throw error
    }
  }
  return rows.map((row) => ({ name: exportedName(row) ?? '', open: () => open(row.id) }))
}
