import { type Ctx, inTransaction } from '../../context.ts'
import { assistantSuspended, notFound } from '../../errors.ts'
import { lockAssistant } from './lock-assistant.ts'
import { recordChange } from './record-change.ts'
import { requireEntitlement } from './require-entitlement.ts'

/**
 * Restarts the assistant's gateway, or tries a failed assistant again. Errors: not_entitled, no_assistant,
 * assistant_suspended.
 */
export async function restartAssistant({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string }
}): Promise<void> {
  await inTransaction(ctx, async (tx) => {
    const assistant = await lockAssistant(tx, input.userId)
    if (assistant.desired === 'ABSENT') throw notFound('There is no assistant.', 'no_assistant')
    await requireEntitlement(tx, input.userId, new Date(ctx.clock.now()))
    if (assistant.suspendedAt) throw assistantSuspended()
    const retry = assistant.status === 'ERROR'
    await recordChange(tx, assistant, retry ? 'RETRY' : 'RESTART', {
      restartCount: assistant.restartCount + 1,
      ...(retry && { status: 'PROVISIONING' as const, lastErrorCode: null, lastErrorDetail: null }),
    })
  })
}
