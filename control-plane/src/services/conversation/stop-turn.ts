import type { Ctx } from '../../context.ts'
import { inTransaction, nudge } from '../../context.ts'
import { lockAssistant } from './rows.ts'

/**
 * Asks for the user's running turn to be stopped, down to its container; `stopping` is false when none runs. The
 * wish is stored, so it holds whichever replica or session carries the turn.
 */
export function stopTurn({ ctx, input }: { ctx: Ctx; input: { userId: string } }) {
  return inTransaction(ctx, async (tx): Promise<{ stopping: boolean }> => {
    const assistant = await lockAssistant(tx, input.userId)
    if (!assistant) return { stopping: false }
    const stopped = await tx.turn.updateMany({
      where: { assistantId: assistant.id, state: 'RUNNING' },
      data: { cancelRequestedAt: new Date(ctx.clock.now()) },
    })
    if (stopped.count > 0 && assistant.hostServerId !== null) nudge(tx, 'stops', assistant.hostServerId)
    return { stopping: stopped.count > 0 }
  })
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
