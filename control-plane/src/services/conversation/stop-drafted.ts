import { inTransaction } from '../../context.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { draftIdOf } from './draft-id.ts'
import { lockOwner } from './rows.ts'
import { stopTurnIn } from './stop-turn.ts'

/** Stops the turn whose preview somebody stopped; a press that comes when it is over stops nothing. */
export function stopDrafted({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: { from: Recipient; draftId: number }
}): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    const owner = await lockOwner(tx, input.from)
    if (!owner) return
    const turn = await tx.turn.findFirst({
      where: { assistantId: owner.id, state: 'RUNNING' },
      select: { id: true },
    })
    if (turn && draftIdOf(turn.id) === input.draftId) await stopTurnIn(tx, ctx, owner)
  })
}
