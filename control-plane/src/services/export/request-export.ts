import { randomBytes } from 'node:crypto'
import type { Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import type { Vault } from '../../lib/vault.ts'
import { type ExportView, readExport } from './read-export.ts'

/** Hands an export to the job queue, within the transaction that stored it. */
export type EnqueueExport = (tx: Transaction, exportId: string) => Promise<void>

/** Begins an export of everything of a person; one that is under way goes on instead. */
export async function requestExport({
  ctx,
  vault,
  enqueue,
  input,
}: {
  ctx: Ctx
  vault: Vault
  enqueue: EnqueueExport
  input: { userId: string }
}): Promise<ExportView> {
  const { userId } = input
  const keyEncrypted = await vault.seal(randomBytes(32).toString('base64'))
  await inTransaction(ctx, async (tx) => {
    // Of two requests at once, the second finds what the first began.
    await tx.$queryRaw`SELECT id FROM users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`
    const open = await tx.export.count({ where: { userId, finishedAt: null } })
    if (open > 0) return
    const { id } = await tx.export.create({ data: { userId, keyEncrypted } })
    await enqueue(tx, id)
    const actor = `user:${userId}`
    await tx.auditEvent.create({ data: { actor, action: 'account.export_requested', subject: actor } })
    nudge(tx, 'user', userId)
  })
  return readExport({ ctx, input: { userId } })
}
