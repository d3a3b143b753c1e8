import type { Transaction } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { inTransaction, nudge } from '../../context.ts'
import type { ConversationCtx } from './ctx.ts'
import { giveUpIn } from './fail-turn.ts'
import { type AssistantRow, lockAssistant } from './rows.ts'
import { isHostAway, lockTurn } from './turn-rows.ts'

/**
 * `running`: it stops in a moment or has just stopped, and what is there of the answer says so. `waiting`: it will not
 * begin any more.
 */
export type Stopped = 'running' | 'waiting' | 'nothing'

/**
 * Stops the user's running turn, down to its container; else the one that waits to run. `stopping` is false when there
 * is neither. The wish is stored, so it holds whichever replica or session carries the turn.
 */
export function stopTurn({ ctx, input }: { ctx: ConversationCtx; input: { userId: string } }) {
  return inTransaction(ctx, async (tx): Promise<{ stopping: boolean }> => {
    const assistant = await lockAssistant(tx, input.userId)
    return { stopping: assistant !== null && (await stopTurnIn(tx, ctx, assistant)) !== 'nothing' }
  })
}

/** Only under the assistant's lock. */
export async function stopTurnIn(
  tx: Transaction,
  ctx: ConversationCtx,
  { id: assistantId, userId }: AssistantRow,
): Promise<Stopped> {
  const now = new Date(ctx.clock.now())
  const [running] = await tx.turn.updateManyAndReturn({
    where: { assistantId, state: 'RUNNING' },
    data: { cancelRequestedAt: now },
    select: { id: true, hostServerId: true },
  })
  if (running) {
    // Its own host, which the assistant may have left since.
    const { id, hostServerId } = running
    // Nobody waits for a host that is away: when it is back it is told to forget the turn.
    if (await isHostAway(tx, hostServerId, now))
      await giveUpIn(tx, ctx, await lockTurn(tx, id), 'turn_canceled')
    else if (hostServerId !== null) nudge(tx, 'stops', hostServerId)
    return 'running'
  }
  if (!(await cancelPendingIn(tx, assistantId, now))) return 'nothing'
  await tx.message.updateMany({
    where: { userId, direction: 'INBOUND', state: 'RECEIVED', turnId: null },
    data: { state: 'ANSWERED', code: 'turn_canceled' },
  })
  nudge(tx, 'messages', userId)
  return 'waiting'
}

/** The turn that waits to run will not; false when there is none. What it would have answered is the caller's. */
export async function cancelPendingIn(tx: Transaction, assistantId: string, now: Date): Promise<boolean> {
  const { count } = await tx.turn.updateMany({
    where: { assistantId, state: 'PENDING' },
    data: { state: 'CANCELED', errorCode: 'turn_canceled', finishedAt: now },
  })
  return count > 0
}

/** Ends the turns that somebody wants stopped and whose hosts went away before they heard of it. */
export async function endStopped({ ctx }: { ctx: ConversationCtx }): Promise<void> {
  const now = new Date(ctx.clock.now())
  const rows = await ctx.db.$queryRaw<{ userId: string }[]>`
    SELECT a.user_id AS "userId" FROM turns t JOIN assistants a ON a.id = t.assistant_id
    LEFT JOIN host_sessions s ON s.host_id = t.host_server_id
    WHERE t.state = 'RUNNING' AND t.cancel_requested_at IS NOT NULL AND t.finished_at IS NULL
      AND (s.host_id IS NULL OR s.lease_expires_at <= ${now}) LIMIT 200`
  for (const { userId } of rows) {
    await stopTurn({ ctx, input: { userId } }).catch((err: unknown) =>
      ctx.log.error({ err }, 'a turn could not be stopped'),
    )
  }
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
