import { inTransaction } from '../../context.ts'
import { staleEpoch } from '../../errors.ts'
import type { ConversationCtx } from './ctx.ts'
import { type ClaimedTurn, holdSession, lockTurn } from './turn-rows.ts'

export interface AdoptInput {
  hostId: string
  sessionEpoch: bigint
}

/**
 * A new session takes over the host's running turns, each with the attempt it has: an agent that began it carries it
 * on or reports that it broke off, and one that never heard of it begins it (M15).
 */
export function adoptTurns({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: AdoptInput
}): Promise<ClaimedTurn[]> {
  const { hostId, sessionEpoch } = input
  return inTransaction(ctx, async (tx) => {
    if (!(await holdSession(tx, hostId, sessionEpoch))) throw staleEpoch()
    const running = await tx.turn.findMany({
      where: { hostServerId: hostId, state: 'RUNNING' },
      orderBy: { assistantId: 'asc' },
      select: { id: true, assistantId: true, conversation: true, traceParent: true, createdAt: true },
    })
    const adopted: ClaimedTurn[] = []
    for (const { id, createdAt: receivedAt, ...rest } of running) {
      const turn = await lockTurn(tx, id)
      if (turn.state !== 'RUNNING') continue
      const attempt = turn.attempts
      const partialText = turn.partialText ?? ''
      await tx.turn.update({ where: { id }, data: { sessionEpoch } })
      adopted.push({ turnId: id, userId: turn.userId, attempt, receivedAt, partialText, ...rest })
    }
    return adopted
  })
}
