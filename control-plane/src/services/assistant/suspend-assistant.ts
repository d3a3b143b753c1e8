import type { Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction } from '../../context.ts'
import { lockAssistant } from './lock-assistant.ts'
import { recordChange } from './record-change.ts'

export interface SuspensionInput {
  userId: string
  /** Stable, lower-case, with underscores: who wants it stopped. Each reason is lifted by itself. */
  reason: 'unpaid' | 'operator' | 'account_closing'
  /** An operator's words; never shown to the user. */
  note?: string
}

/**
 * Wants the assistant stopped and its data kept, whatever it is doing. Messages wait meanwhile, and their sender is
 * told so once. `changed` is false when there is no assistant, or it is stopped for that reason already.
 */
export function suspendAssistant({ ctx, input }: { ctx: Ctx; input: SuspensionInput }) {
  return inTransaction(ctx, (tx) => suspendAssistantIn(tx, ctx, input))
}

/** The same, in a transaction of `inTransaction`. */
export async function suspendAssistantIn(
  tx: Transaction,
  ctx: Pick<Ctx, 'clock'>,
  { userId, reason, note }: SuspensionInput,
): Promise<{ changed: boolean }> {
  const assistant = await lockAssistant(tx, userId)
  const reasons = assistant.suspendedReasons
  if (assistant.desired === 'ABSENT' || reasons.includes(reason)) return { changed: false }
  const data = {
    suspendedReasons: [...reasons, reason],
    ...(note !== undefined && { suspendedReason: note }),
  }
  if (reasons.length > 0) {
    await tx.assistant.update({ where: { id: assistant.id }, data })
    return { changed: true }
  }
  const suspendedAt = new Date(ctx.clock.now())
  // No host has it yet, so nobody will report it stopped.
  const job = assistant.hostServerId === null ? ({ status: 'COMPLETED', step: 'stopped' } as const) : {}
  await recordChange(tx, assistant, 'SUSPEND', { ...data, suspendedAt }, job)
  return { changed: true }
}
