import { randomBytes } from 'node:crypto'
import type { Ctx } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import { formatMoment } from '../../mail/format.ts'
import { dayMs, plan } from '../../plan.ts'
import type { Store } from '../../storage/store.ts'
import { texts, waitUntil } from '../conversation/texts.ts'
import { type AttachmentView, storedAttachment, viewColumns, viewOf } from './attachment.ts'
import { type TakenShare, takeShare } from './day-share.ts'
import { detectType } from './detect-type.ts'
import { shownName } from './file-name.ts'
import { fileLimits } from './limits.ts'
import { counted, fileTooLarge, sealFile } from './seal-file.ts'

/** Today's share of files is used up. */
export const filesDayLimitCode = 'files_day_limit'

export interface StoreFileInput {
  userId: string
  /** As somebody named it; for showing. */
  name: string
  /** What it is said to be: its content decides. */
  mimeType: string
  bytes: AsyncIterable<Uint8Array>
  /** Absent = an assistant sends it. */
  from?: 'person'
  /** How long it is, where that is known; it may be no longer then. */
  sizeBytes?: number | undefined
  signal?: AbortSignal
}

/**
 * Keeps a file until a message takes it along: whatever has the attachment's id and the user's may do so, once. One that
 * no message took is gone after a day. Errors: file_too_large, file_empty, files_day_limit.
 *
 * @example
 * const { id } = await storeFile({ ctx, vault, store, input: { userId, name, mimeType, bytes } })
 * await storeOutgoing(tx, ctx, { userId, to, kind: 'CHAT', text, attachmentIds: [id] })
 */
export async function storeFile(deps: StoreFileDeps): Promise<AttachmentView> {
  const { view, share } = await storeInShare(deps)
  await share.settle(view.sizeBytes ?? 0)
  return view
}

export interface StoreFileDeps {
  ctx: Pick<Ctx, 'db' | 'clock'>
  vault: Vault
  store: Store
  input: StoreFileInput
}

/** The same, and its share of the day is still to settle: what goes with no message after all does not count. */
export async function storeInShare({
  ctx,
  vault,
  store,
  input,
}: StoreFileDeps): Promise<{ view: AttachmentView; share: TakenShare }> {
  const { userId, from } = input
  const most = from === 'person' ? fileLimits.inbound : fileLimits.outbound
  if ((input.sizeBytes ?? 0) > most) throw fileTooLarge()
  const wanted = input.sizeBytes || most
  const share = await takeShare({
    ctx,
    input: { userId, share: from === 'person' ? 'in' : 'out', wanted },
  })
  // What a person sends counts as it comes; a host sends again what broke off.
  const read = { bytes: 0 }
  try {
    if (share.granted < (input.sizeBytes || 1)) throw filesDayLimit(share, ctx.clock.now(), from)
    const view = await keep({
      ctx,
      vault,
      store,
      input: { ...input, bytes: counted(input.bytes, read) },
      maxBytes: share.granted,
    })
    return { view, share }
  } catch (error) {
    await share.settle(from === 'person' ? read.bytes : 0)
    const isOver = error instanceof ServiceError && error.code === 'file_too_large'
    throw isOver && share.granted < wanted ? filesDayLimit(share, ctx.clock.now(), from) : error
  }
}

/** The assistant reads it again later, so it hears the moment. */
function filesDayLimit(
  { resetsAt, timeZone }: TakenShare,
  nowMs: number,
  from: 'person' | undefined,
): ServiceError {
  const detail =
    from === 'person'
      ? texts.filesInLimit(plan.fileMegabytesInPerDay, waitUntil(resetsAt, nowMs))
      : `Today's ${plan.fileMegabytesOutPerDay} MB of files are sent. The next file can go out from ${formatMoment(resetsAt, timeZone)}.`
  return new ServiceError(429, filesDayLimitCode, detail)
}

async function keep({
  ctx,
  vault,
  store,
  input,
  maxBytes,
}: StoreFileDeps & { maxBytes: number }): Promise<AttachmentView> {
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
    const { sizeBytes, head } = await sealFile({ store, name, key, bytes, maxBytes, signal })
    const type = await detectType(head, input.mimeType)
    const row = await ctx.db.attachment.update({
      where: { id },
      data: { ...type, sizeBytes, state: 'STORED' },
      select: viewColumns,
    })
    return viewOf(row)
  } catch (error) {
    await discardFile({ ctx, store, id })
    throw error
  }
}

/** Removes a file unless a message took it, or says false; its row first, as a file without one is swept. */
export async function discardFile({
  ctx,
  store,
  id,
}: {
  ctx: Pick<Ctx, 'db'>
  store: Store
  id: string
}): Promise<boolean> {
  const { count } = await ctx.db.attachment.deleteMany({ where: { id, messageId: null } })
  if (count > 0) await store.delete(storedAttachment(id))
  return count > 0
}
