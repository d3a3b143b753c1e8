import type { Transaction } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { inTransaction, nudge } from '../../context.ts'
import { type AssistantRow, lockAssistant } from './rows.ts'

/** `running`: it stops in a moment, and what is there of the answer follows. `waiting`: it will not begin any more. */
export type Stopped = 'running' | 'waiting' | 'nothing'

/**
 * Stops the user's running turn, down to its container; else the one that waits to run. `stopping` is false when there
 * is neither. The wish is stored, so it holds whichever replica or session carries the turn.
 */
export function stopTurn({ ctx, input }: { ctx: Ctx; input: { userId: string } }) {
  return inTransaction(ctx, async (tx): Promise<{ stopping: boolean }> => {
    const assistant = await lockAssistant(tx, input.userId)
    return { stopping: assistant !== null && (await stopTurnIn(tx, ctx, assistant)) !== 'nothing' }
  })
}

/** Only under the assistant's lock. */
export async function stopTurnIn(
  tx: Transaction,
  ctx: Ctx,
  { id: assistantId, userId, hostServerId }: AssistantRow,
): Promise<Stopped> {
  const now = new Date(ctx.clock.now())
  const running = await tx.turn.updateMany({
    where: { assistantId, state: 'RUNNING' },
    data: { cancelRequestedAt: now },
  })
  if (running.count > 0) {
    if (hostServerId !== null) nudge(tx, 'stops', hostServerId)
    return 'running'
  }
  const errorCode = 'turn_canceled'
  const waiting = await tx.turn.updateMany({
    where: { assistantId, state: 'PENDING' },
    data: { state: 'CANCELED', errorCode, finishedAt: now },
  })
  if (waiting.count === 0) return 'nothing'
  await tx.message.updateMany({
    where: { userId, direction: 'INBOUND', state: 'RECEIVED', turnId: null },
    data: { state: 'ANSWERED', code: errorCode },
  })
  nudge(tx, 'messages', userId)
  return 'waiting'
}

/** The running turns of a session that somebody wants stopped. */
export async function turnsToStop({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { hostId: string; sessionEpoch: bigint }
}): Promise<string[]> {
  // The state stands in the text: as a parameter it would keep the index of running turns out of the plan.
  const turns = await ctx.db.$queryRaw<{ id: string }[]>`
    SELECT id FROM turns WHERE host_server_id = ${input.hostId}::uuid AND session_epoch = ${input.sessionEpoch}
      AND state = 'RUNNING' AND cancel_requested_at IS NOT NULL`
  return turns.map((turn) => turn.id)
}
