import { type Ctx, inTransaction } from '../../context.ts'
import { type ClaimedTurn, holdSession } from './turn-rows.ts'

export interface ClaimInput {
  hostId: string
  sessionEpoch: bigint
  /** Most turns to take. */
  limit: number
}

export interface Claimed {
  turns: ClaimedTurn[]
  /** Somebody else held an assistant's lock: its turn is there to be claimed a moment later. */
  passedOver: boolean
}

/** Takes pending turns of a host's ready assistants and the messages they answer (M4). An old session gets none. */
export function claimTurns({ ctx, input }: { ctx: Ctx; input: ClaimInput }): Promise<Claimed> {
  const { hostId, sessionEpoch, limit } = input
  return inTransaction(ctx, async (tx) => {
    if (!(await holdSession(tx, hostId, sessionEpoch))) return { turns: [], passedOver: false }
    const now = new Date(ctx.clock.now())
    const waiting = await tx.$queryRaw<{ turnId: string }[]>`
      SELECT t.id AS "turnId" FROM turns t JOIN assistants a ON a.id = t.assistant_id
      WHERE t.state = 'PENDING' AND (t.not_before IS NULL OR t.not_before <= ${now})
        AND a.host_server_id = ${hostId}::uuid AND a.status = 'READY' AND a.desired = 'PRESENT'
        AND a.suspended_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM turns r WHERE r.assistant_id = a.id AND r.state = 'RUNNING')
      ORDER BY t.created_at LIMIT ${limit}`
    if (waiting.length === 0) return { turns: [], passedOver: false }
    const locked = await tx.$queryRaw<{ turnId: string }[]>`
      SELECT t.id AS "turnId" FROM turns t JOIN assistants a ON a.id = t.assistant_id
      WHERE t.id = ANY(${ids(waiting)}::uuid[]) FOR UPDATE OF a, t SKIP LOCKED`
    const passedOver = locked.length < waiting.length
    // Asked again now that the locks are held: much may have changed between the look and the lock.
    const claimed = await tx.$queryRaw<ClaimedTurn[]>`
      UPDATE turns t SET state = 'RUNNING', attempts = 1, host_server_id = ${hostId}::uuid,
        session_epoch = ${sessionEpoch}, claimed_at = ${now}
      FROM assistants a
      WHERE t.id = ANY(${ids(locked)}::uuid[]) AND t.state = 'PENDING' AND a.id = t.assistant_id
        AND a.host_server_id = ${hostId}::uuid AND a.status = 'READY' AND a.desired = 'PRESENT'
        AND a.suspended_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM turns r WHERE r.assistant_id = a.id AND r.state = 'RUNNING')
      RETURNING t.id AS "turnId", a.id AS "assistantId", a.user_id AS "userId", t.attempts AS attempt,
        t.trace_parent AS "traceParent", t.created_at AS "receivedAt"`
    const stamped = await tx.$queryRaw<{ turnId: string }[]>`
      UPDATE messages m SET turn_id = t.id FROM turns t JOIN assistants a ON a.id = t.assistant_id
      WHERE t.id = ANY(${ids(claimed)}::uuid[]) AND m.user_id = a.user_id AND m.direction = 'INBOUND'
        AND m.state = 'RECEIVED' AND m.turn_id IS NULL
      RETURNING t.id AS "turnId"`
    const taken = new Set(ids(stamped))
    const empty = ids(claimed).filter((turnId) => !taken.has(turnId))
    if (empty.length > 0) {
      const canceled = { state: 'CANCELED', finishedAt: now } as const
      await tx.turn.updateMany({ where: { id: { in: empty } }, data: canceled })
    }
    return { turns: claimed.filter((turn) => taken.has(turn.turnId)), passedOver }
  })
}

const ids = (rows: { turnId: string }[]) => rows.map((row) => row.turnId)
