import type { Ctx } from '../../context.ts'

/** The turns that run under a host's session, as the database has it. */
export async function runningTurns({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { hostId: string; sessionEpoch: bigint }
}): Promise<string[]> {
  // The state stands in the text: as a parameter it would keep the index of running turns out of the plan.
  const turns = await ctx.db.$queryRaw<{ id: string }[]>`
    SELECT id FROM turns WHERE host_server_id = ${input.hostId}::uuid AND session_epoch = ${input.sessionEpoch}
      AND state = 'RUNNING'`
  return turns.map((turn) => turn.id)
}
