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
    if (stopped.count > 0 && assistant.hostServerId !== null) await nudge(tx, 'turns', assistant.hostServerId)
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
  const turns = await ctx.db.turn.findMany({
    where: {
      hostServerId: input.hostId,
      sessionEpoch: input.sessionEpoch,
      state: 'RUNNING',
      cancelRequestedAt: { not: null },
    },
    select: { id: true },
  })
  return turns.map((turn) => turn.id)
}
