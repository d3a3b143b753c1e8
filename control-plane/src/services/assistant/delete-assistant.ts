import type { Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction } from '../../context.ts'
import { lockAssistant } from './lock-assistant.ts'
import { noAssistant } from './no-assistant.ts'
import { recordChange } from './record-change.ts'

/**
 * Wants the assistant and its data gone, whatever it is doing. Status becomes NONE when the host confirms it (F4),
 * at once when no host ever had it. Idempotent; after a failed deletion it tries again.
 */
export function deleteAssistant({ ctx, input }: { ctx: Ctx; input: { userId: string } }): Promise<void> {
  return inTransaction(ctx, (tx) => deleteAssistantIn(tx, input.userId))
}

/** The same, in a transaction of `inTransaction`. */
export async function deleteAssistantIn(tx: Transaction, userId: string): Promise<void> {
  const assistant = await lockAssistant(tx, userId)
  if (assistant.status === 'NONE') return
  if (assistant.desired === 'ABSENT' && assistant.status !== 'ERROR') return
  await tx.provisioningJob.updateMany({
    where: { assistantId: assistant.id, status: { in: ['PENDING', 'RUNNING'] } },
    data: { status: 'FAILED', step: 'canceled', lastError: 'Deleted meanwhile.' },
  })
  if (assistant.hostServerId === null) {
    await recordChange(tx, assistant, 'DELETE', noAssistant, { status: 'COMPLETED', step: 'deleted' })
    return
  }
  await recordChange(tx, assistant, 'DELETE', { desired: 'ABSENT' }, { step: 'deleting' })
}
