import { type Ctx, inTransaction } from '../../context.ts'
import type { Mailer } from '../../mail/mailer.ts'
import type { Store } from '../../storage/store.ts'
import { deleteAssistant } from '../assistant/delete-assistant.ts'
import { storedAttachment } from '../attachment/attachment.ts'
import { storedExport } from '../export/stored-export.ts'
import { storedArchive } from '../host-operation/stored-archive.ts'
import type { RevokingCtx } from '../integration/ctx.ts'
import { endConnections } from '../integration/revoke.ts'
import { cancelForDeletion } from '../subscription/cancel-for-deletion.ts'
import type { BillingCtx } from '../subscription/ctx.ts'
import { eraseRows } from './erase-rows.ts'

/** `waiting`: the assistant's host has not confirmed yet that nothing of it is left. */
export type Erasure = 'gone' | 'waiting'

/**
 * Carries out what requestDeletion began, in this order, each step safe to repeat, so that a crash between any two costs
 * nothing: what charges the person ends, the list for news forgets them, Google revokes what they connected, the assistant
 * goes with its data, then stored files, then every row and with them the user, in one transaction with the mail that
 * says so. Errors: of cancelForDeletion, the mailer and the store; again later.
 */
export async function eraseAccount({
  ctx,
  store,
  mailer,
  input,
}: {
  ctx: BillingCtx & RevokingCtx
  store: Store
  mailer: Mailer
  input: { userId: string }
}): Promise<Erasure> {
  const { userId } = input
  const user = await ctx.db.user.findUnique({ where: { id: userId, deletionRequestedAt: { not: null } } })
  if (user === null) return 'gone'
  await cancelForDeletion({ ctx, input })
  if (user.newsConsentAt !== null) await mailer.listForNews(user.email, false)
  await endConnections({ ctx, input })
  if (!(await isAssistantGone(ctx, userId))) return 'waiting'
  await removeFiles(ctx, store, userId)
  await inTransaction(ctx, (tx) => eraseRows(tx, ctx, userId))
  return 'gone'
}

async function isAssistantGone(ctx: Ctx, userId: string): Promise<boolean> {
  const status = async () => (await ctx.db.assistant.findUnique({ where: { userId } }))?.status ?? 'NONE'
  if ((await status()) === 'NONE') return true
  await deleteAssistant({ ctx, input: { userId } })
  return (await status()) === 'NONE'
}

/** Rows name the files: as long as one is there, its file may be, too. */
async function removeFiles(ctx: Ctx, store: Store, userId: string): Promise<void> {
  const exports = await ctx.db.export.findMany({ where: { userId }, select: { id: true } })
  const operations = await ctx.db.hostOperation.findMany({
    where: { assistant: { userId } },
    select: { id: true },
  })
  const attachments = await ctx.db.attachment.findMany({ where: { userId }, select: { id: true } })
  const names = [
    ...exports.map(({ id }) => storedExport(id)),
    ...operations.map(({ id }) => storedArchive(id)),
    ...attachments.map(({ id }) => storedAttachment(id)),
  ]
  for (const name of names) await store.delete(name)
}
