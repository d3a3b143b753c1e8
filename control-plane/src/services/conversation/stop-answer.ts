import type { Transaction } from '@yourclaw/db'
import { inTransaction } from '../../context.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { draftIdOf } from './draft-id.ts'
import { lockOwner } from './rows.ts'
import { stopTurnIn } from './stop-turn.ts'
import { turnRecipient } from './turn-rows.ts'

/** Stops the turn whose preview somebody stopped; a press that comes when it is over stops nothing. */
export function stopDrafted({
  ctx,
  input: { from, draftId },
}: {
  ctx: ConversationCtx
  input: { from: Recipient; draftId: number }
}): Promise<void> {
  return stopIf(ctx, from, async (_, turnId) => draftIdOf(turnId) === draftId)
}

/** Stops the turn whose answer would go to somebody who wants nothing any more; what is there of it is on the web. */
export function stopAnswerTo({
  ctx,
  input: { to },
}: {
  ctx: ConversationCtx
  input: { to: Recipient }
}): Promise<void> {
  return stopIf(ctx, to, async (tx, turnId) => {
    const goes = await turnRecipient(tx, turnId)
    return goes?.channel === to.channel && goes.address === to.address
  })
}

function stopIf(
  ctx: ConversationCtx,
  from: Recipient,
  isMeant: (tx: Transaction, turnId: string) => Promise<boolean>,
): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    const owner = await lockOwner(tx, from)
    if (!owner) return
    const turn = await tx.turn.findFirst({
      where: { assistantId: owner.id, state: 'RUNNING' },
      select: { id: true },
    })
    if (turn && (await isMeant(tx, turn.id))) await stopTurnIn(tx, ctx, owner)
  })
}
