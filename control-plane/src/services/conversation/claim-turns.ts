import { type PoolTransaction, Prisma } from '@yourclaw/db'
import type { ConversationCtx } from './ctx.ts'
import { type TurnInput, type TurnMessage, toTurnInput } from './read-turn-input.ts'
import type { ClaimedTurn } from './turn-rows.ts'

export interface ClaimInput {
  hostId: string
  sessionEpoch: bigint
  /** Most turns to take. */
  limit: number
}

export interface Claimed {
  turns: (ClaimedTurn & { input: TurnInput })[]
  /** Somebody else held an assistant's lock: its turn is there to be claimed a moment later. */
  passedOver: boolean
}

/**
 * Takes pending turns of a host's ready assistants and the messages they answer (M4), which come with them. An old
 * session gets none.
 */
export async function claimTurns({
  ctx,
  input,
}: {
  ctx: Pick<ConversationCtx, 'pool' | 'clock'>
  input: ClaimInput
}): Promise<Claimed> {
  return ctx.pool.transaction(async (tx) => {
    const now = new Date(ctx.clock.now())
    const { waiting, locked } = await lockClaimable(tx, input, now)
    if (locked.length === 0) return { turns: [], passedOver: waiting > 0 }
    const claimed = await claim(tx, input, locked, now)
    const turns = claimed.map(({ messages, ...turn }) => ({
      ...turn,
      input: toTurnInput(turn.userId, messages),
    }))
    return { turns, passedOver: locked.length < waiting }
  })
}

/** Of rows `t` of turns and `a` of their assistants: a turn that the host may run now, as the only one. */
const isClaimable = (hostId: string, now: Date) => Prisma.sql`(
  t.state = 'PENDING' AND (t.not_before IS NULL OR t.not_before <= ${now}) AND a.host_server_id = ${hostId}::uuid
  AND a.status = 'READY' AND a.desired = 'PRESENT' AND a.suspended_at IS NULL
  AND NOT EXISTS (SELECT FROM turns r WHERE r.assistant_id = a.id AND r.state = 'RUNNING'))`

/** Of a row `m` of messages: nobody took it yet. */
const isWaiting = Prisma.sql`(m.direction = 'INBOUND' AND m.state = 'RECEIVED' AND m.turn_id IS NULL)`

/** Keeps newer sessions of the host from beginning until commit, and locks nothing for one that is not the newest. */
async function lockClaimable(tx: PoolTransaction, { hostId, sessionEpoch, limit }: ClaimInput, now: Date) {
  const [found] = await tx.query<{ waiting: number; locked: string[] }>(Prisma.sql`
    WITH waiting AS MATERIALIZED (
      SELECT t.id FROM turns t JOIN assistants a ON a.id = t.assistant_id
      WHERE ${isClaimable(hostId, now)} ORDER BY t.created_at LIMIT ${limit}::int
    ), held AS MATERIALIZED (
      SELECT 1 FROM host_sessions
      WHERE host_id = ${hostId}::uuid AND epoch = ${sessionEpoch}::bigint AND EXISTS (SELECT FROM waiting) FOR SHARE
    ), locked AS (
      SELECT t.id FROM turns t JOIN assistants a ON a.id = t.assistant_id
      WHERE t.id IN (SELECT id FROM waiting) AND EXISTS (SELECT FROM held) FOR UPDATE OF a, t SKIP LOCKED
    )
    SELECT (SELECT count(*)::int FROM waiting WHERE EXISTS (SELECT FROM held)) AS waiting,
      ARRAY(SELECT id FROM locked) AS locked`)
  return found ?? { waiting: 0, locked: [] }
}

interface Row extends ClaimedTurn, TurnMessage {}

/** Asks again now that the locks are held: much may have changed between the look and the lock. */
async function claim(
  tx: PoolTransaction,
  { hostId, sessionEpoch }: ClaimInput,
  locked: string[],
  now: Date,
): Promise<(ClaimedTurn & { messages: TurnMessage[] })[]> {
  const rows = await tx.last<Row>(Prisma.sql`
    WITH claimable AS MATERIALIZED (
      SELECT t.id, a.id AS assistant_id, a.user_id,
        EXISTS (SELECT FROM messages m WHERE m.user_id = a.user_id AND ${isWaiting}) AS has_messages
      FROM turns t JOIN assistants a ON a.id = t.assistant_id
      WHERE t.id = ANY(${locked}::uuid[]) AND ${isClaimable(hostId, now)}
    ), claimed AS (
      UPDATE turns t SET state = 'RUNNING', attempts = 1, host_server_id = ${hostId}::uuid,
        session_epoch = ${sessionEpoch}::bigint, claimed_at = ${now}
      FROM claimable c WHERE t.id = c.id AND c.has_messages
      RETURNING t.id, c.assistant_id, c.user_id, t.attempts, t.trace_parent, t.created_at
    ), stamped AS (
      UPDATE messages m SET turn_id = claimed.id FROM claimed WHERE m.user_id = claimed.user_id AND ${isWaiting}
      RETURNING m.*
    ), needless AS (
      UPDATE turns t SET state = 'CANCELED', finished_at = ${now} FROM claimable c
      WHERE t.id = c.id AND NOT c.has_messages
    )
    SELECT c.id AS "turnId", c.assistant_id AS "assistantId", c.user_id AS "userId", c.attempts AS attempt,
      c.trace_parent AS "traceParent", c.created_at AS "receivedAt", m.body, m.created_at AS "createdAt",
      m.channel::text, m.address, m.provider_order AS "providerOrder", m.provider_message_id AS "providerMessageId"
    FROM claimed c JOIN stamped m ON m.turn_id = c.id ORDER BY c.created_at, c.id, m.seq`)
  const byTurn = Map.groupBy(rows, ({ turnId }) => turnId)
  return [...byTurn.values()].flatMap((messages) => {
    const [first] = messages
    if (!first) return []
    const { turnId, assistantId, userId, attempt, traceParent, receivedAt } = first
    return [{ turnId, assistantId, userId, attempt, traceParent, receivedAt, messages }]
  })
}
