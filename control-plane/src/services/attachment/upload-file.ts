import type { Ctx } from '../../context.ts'
import { conflict, invalidInput } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import type { Store } from '../../storage/store.ts'
import { requireEntitlement } from '../assistant/require-entitlement.ts'
import type { AttachmentView } from './attachment.ts'
import { maxWaitingUploads } from './limits.ts'
import { storeFile } from './store-file.ts'

/** Keeps a file that a person uploads for a message. Errors: of storeFile; not_entitled, too_many_files, channel_unavailable. */
export async function uploadFile({
  input,
  ...deps
}: {
  ctx: Ctx
  vault: Vault
  store: Store
  input: {
    userId: string
    name: string
    mimeType: string
    bytes: AsyncIterable<Uint8Array>
    sizeBytes?: number | undefined
    signal: AbortSignal
  }
}): Promise<AttachmentView> {
  const { ctx } = deps
  if (!ctx.settings.channels.includes('WEB'))
    throw invalidInput('Messages cannot be sent from here.', 'channel_unavailable')
  await requireEntitlement(ctx.db, input.userId, new Date(ctx.clock.now()))
  const waiting = await ctx.db.attachment.count({ where: { userId: input.userId, messageId: null } })
  if (waiting >= maxWaitingUploads)
    throw conflict('Send the files that are uploaded first.', 'too_many_files')
  return storeFile({ ...deps, input: { ...input, from: 'person' } })
}
