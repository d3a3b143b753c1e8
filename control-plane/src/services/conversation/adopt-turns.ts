import { inTransaction } from '../../context.ts'
import { staleEpoch } from '../../errors.ts'
import type { ConversationCtx } from './ctx.ts'
import { giveUpIn } from './fail-turn.ts'
import { type ClaimedTurn, holdSession, lockTurn, maxAttempts } from './turn-rows.ts'

export interface AdoptInput {
  hostId: string
  sessionEpoch: bigint
  /** Turns whose attempt, or its result, the agent still has. */
  heldTurnIds: readonly string[]
}

/** A new session takes over the host's running turns. What the agent lost gets its next attempt (M15). */
export function adoptTurns({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: AdoptInput
}): Promise<ClaimedTurn[]> {
  const { hostId, sessionEpoch } = input
  const held = new Set(input.heldTurnIds)
  return inTransaction(ctx, async (tx) => {
    if (!(await holdSession(tx, hostId, sessionEpoch))) throw staleEpoch()
    const running = await tx.turn.findMany({
      where: { hostServerId: hostId, state: 'RUNNING' },
      orderBy: { assistantId: 'asc' },
      select: { id: true, assistantId: true, traceParent: true, createdAt: true },
    })
    const adopted: ClaimedTurn[] = []
    for (const { id, assistantId, traceParent, createdAt: receivedAt } of running) {
      const turn = await lockTurn(tx, id)
      if (turn.state !== 'RUNNING') continue
      const isLost = turn.sessionEpoch !== sessionEpoch && !held.has(id)
      if (isLost && turn.attempts >= maxAttempts) {
        await giveUpIn(tx, ctx, turn, 'attempts_exhausted')
        continue
      }
      const attempt = turn.attempts + (isLost ? 1 : 0)
      await tx.turn.update({ where: { id }, data: { sessionEpoch, attempts: attempt } })
      adopted.push({ turnId: id, assistantId, userId: turn.userId, attempt, traceParent, receivedAt })
    }
    return adopted
  })
}
