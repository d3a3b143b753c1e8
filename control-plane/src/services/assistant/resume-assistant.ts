import type { Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction } from '../../context.ts'
import { lockAssistant } from './lock-assistant.ts'
import { recordChange } from './record-change.ts'
import type { SuspensionInput } from './suspend-assistant.ts'
import { takeSlot } from './take-slot.ts'

/**
 * Lifts one reason. Without any other the assistant comes back as it was, and what was written meanwhile is answered.
 * A failed one is tried again. `changed` is false when it was not stopped for that reason.
 */
export function resumeAssistant({ ctx, input }: { ctx: Ctx; input: SuspensionInput }) {
  return inTransaction(ctx, (tx) => resumeAssistantIn(tx, ctx, input))
}

/** The same, in a transaction of `inTransaction`. */
export async function resumeAssistantIn(
  tx: Transaction,
  ctx: Pick<Ctx, 'clock'>,
  { userId, reason }: SuspensionInput,
): Promise<{ changed: boolean }> {
  const assistant = await lockAssistant(tx, userId)
  if (!assistant.suspendedReasons.includes(reason)) return { changed: false }
  const suspendedReasons = assistant.suspendedReasons.filter((other) => other !== reason)
  const lifted = { suspendedReasons, ...(reason === 'operator' && { suspendedReason: null }) }
  if (suspendedReasons.length > 0 || assistant.desired === 'ABSENT') {
    const data = { ...lifted, ...(suspendedReasons.length === 0 && { suspendedAt: null }) }
    await tx.assistant.update({ where: { id: assistant.id }, data })
    return { changed: true }
  }
  const retry = assistant.status === 'ERROR'
  await recordChange(tx, assistant, 'RESUME', {
    ...lifted,
    suspendedAt: null,
    hostServerId: assistant.hostServerId ?? (await takeSlot(tx, new Date(ctx.clock.now()))),
    ...(retry && { status: 'PROVISIONING' as const, lastErrorCode: null, lastErrorDetail: null }),
  })
  return { changed: true }
}
