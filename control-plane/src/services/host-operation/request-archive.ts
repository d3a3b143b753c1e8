import { randomBytes } from 'node:crypto'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import type { Vault } from '../../lib/vault.ts'

/**
 * Asks the host of a user's assistant for an archive of its memory and workspace, to be handed over by the deadline.
 * Null when no host has one.
 */
export async function requestArchive({
  ctx,
  vault,
  input,
}: {
  ctx: Ctx
  vault: Vault
  input: { userId: string; deadlineMs: number }
}): Promise<{ operationId: string } | null> {
  const { userId, deadlineMs } = input
  const keyEncrypted = await vault.seal(randomBytes(32).toString('base64'))
  return inTransaction(ctx, async (tx) => {
    const assistant = await tx.assistant.findUnique({ where: { userId } })
    if (!assistant?.hostServerId || assistant.desired === 'ABSENT') return null
    const { id: assistantId, hostServerId } = assistant
    const deadlineAt = new Date(ctx.clock.now() + deadlineMs)
    const data = { kind: 'ARCHIVE', assistantId, hostServerId, deadlineAt, keyEncrypted } as const
    const { id: operationId } = await tx.hostOperation.create({ data })
    nudge(tx, 'operations', hostServerId)
    return { operationId }
  })
}
