import type { Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { lockAssistant } from './lock-assistant.ts'
import { recordChange } from './record-change.ts'
import { requireEntitlement } from './require-entitlement.ts'
import { requireOffered } from './require-offered.ts'
import { triedAgain } from './tried-again.ts'

interface ModelInput {
  userId: string
  model: string
}

/**
 * Chooses the model. A ready assistant stays READY; a failed one is tried again; without one it is a preference.
 * Errors: unknown_model (400), not_entitled (402) for an assistant that is there.
 */
export function changeModel({ ctx, input }: { ctx: Ctx; input: ModelInput }): Promise<void> {
  return inTransaction(ctx, (tx) => changeModelIn(tx, ctx, input))
}

export async function changeModelIn(tx: Transaction, ctx: Ctx, input: ModelInput): Promise<void> {
  requireOffered(input.model, ctx.clock.now())
  const assistant = await lockAssistant(tx, input.userId)
  if (assistant.model === input.model) return
  if (assistant.desired === 'ABSENT') {
    await tx.assistant.update({ where: { id: assistant.id }, data: { model: input.model } })
    nudge(tx, 'assistant', input.userId)
    return
  }
  await requireEntitlement(tx, input.userId, new Date(ctx.clock.now()))
  await recordChange(tx, assistant, 'MODEL', { model: input.model, ...triedAgain(assistant) })
}
