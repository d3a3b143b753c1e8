import type { Ctx } from '../../context.ts'
import { sanitize } from './sanitize.ts'

export interface PartialAnswer {
  turnId: string
  text: string
}

/** Of each turn that still runs under the session: what was streamed of its answer, should somebody stop it now. */
export async function keepPartials({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { sessionEpoch: bigint; partials: readonly PartialAnswer[] }
}): Promise<void> {
  if (input.partials.length === 0) return
  const partials = input.partials.map(({ turnId, text }) => ({ turnId, text: sanitize(text) }))
  await ctx.db.$executeRaw`
    UPDATE turns t SET partial_text = i.text
    FROM json_to_recordset(${JSON.stringify(partials)}::json) AS i ("turnId" uuid, text text)
    WHERE t.id = i."turnId" AND t.id IN (
      -- What the next session is taking over at the moment is not this one's any more: waiting for it would be a deadlock.
      SELECT id FROM turns WHERE state = 'RUNNING' AND session_epoch = ${input.sessionEpoch}
      FOR UPDATE SKIP LOCKED)`
}
