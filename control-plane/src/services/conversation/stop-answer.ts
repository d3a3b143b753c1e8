import type { Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import { dropFiles } from '../attachment/attach.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { draftIdOf } from './draft-id.ts'
import { type AssistantRow, lockOwner } from './rows.ts'
import { cancelPendingIn, stopTurnIn } from './stop-turn.ts'
import { turnRecipient } from './turn-rows.ts'

/** Stops the turn whose preview somebody stopped; a press that comes when it is over stops nothing. */
export function stopDrafted({
  ctx,
  input: { from, draftId },
}: {
  ctx: ConversationCtx
  input: { from: Recipient; draftId: number }
}): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    const owner = await lockOwner(tx, from)
    if (!owner) return
    const turnId = await runningTurn(tx, owner)
    if (turnId !== undefined && draftIdOf(turnId) === draftId) await stopTurnIn(tx, ctx, owner)
  })
}

/** Stops the turn whose answer would go to somebody who wants nothing any more; what is there of it is on the web. */
export async function stopAnswerIn(
  tx: Transaction,
  ctx: ConversationCtx,
  owner: AssistantRow,
  to: Recipient,
) {
  const turnId = await runningTurn(tx, owner)
  const goes = turnId === undefined ? undefined : await turnRecipient(tx, turnId)
  if (goes?.channel === to.channel && goes.address === to.address) await stopTurnIn(tx, ctx, owner)
  await refuseWaiting(tx, ctx, owner, to)
}

/** What waits for its turn gets no answer either, as what is written from now on. */
async function refuseWaiting(
  tx: Transaction,
  ctx: ConversationCtx,
  { id: assistantId, userId }: AssistantRow,
  to: Recipient,
): Promise<void> {
  const waiting = { userId, direction: 'INBOUND', kind: 'CHAT', state: 'RECEIVED', turnId: null } as const
  const { channel, address } = to
  const refused = await tx.message.updateManyAndReturn({
    where: { ...waiting, channel, address },
    data: { state: 'REFUSED', code: 'opted_out' },
    select: { id: true },
  })
  if (refused.length === 0) return
  const now = new Date(ctx.clock.now())
  for (const { id: messageId } of refused) await dropFiles(tx, { messageId }, now)
  nudge(tx, 'messages', userId)
  if ((await tx.message.count({ where: waiting })) > 0) return
  await cancelPendingIn(tx, assistantId, now)
}

async function runningTurn(tx: Transaction, { id: assistantId }: AssistantRow): Promise<string | undefined> {
  const turn = await tx.turn.findFirst({ where: { assistantId, state: 'RUNNING' }, select: { id: true } })
  return turn?.id
}
