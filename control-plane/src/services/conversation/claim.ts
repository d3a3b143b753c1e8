import { Prisma } from '@yourclaw/db'
import { type TurnInput, type TurnMessage, toTurnInput } from './read-turn-input.ts'
import type { ClaimedTurn } from './turn-rows.ts'

/** Of rows `t` of turns and `a` of their assistants: a turn that the host may run now, as the only one. */
export const isClaimable = (hostId: string, now: Date) => Prisma.sql`(
  t.state = 'PENDING' AND (t.not_before IS NULL OR t.not_before <= ${now}) AND a.host_server_id = ${hostId}::uuid
  AND a.status = 'READY' AND a.desired = 'PRESENT' AND a.suspended_at IS NULL
  AND NOT EXISTS (SELECT FROM turns r WHERE r.assistant_id = a.id AND r.state = 'RUNNING'))`

/** Of a row `m` of messages: nobody took it yet. */
const isWaiting = Prisma.sql`(m.direction = 'INBOUND' AND m.state = 'RECEIVED' AND m.turn_id IS NULL)`

export interface ClaimedRow extends ClaimedTurn, TurnMessage {}

/**
 * PENDING → RUNNING, of those turns `t` of assistants `a` that `which` names, and their messages taken; a turn without
 * messages → CANCELED. Only under the assistants' locks. Nothing for a session that is not the host's newest, and none
 * newer begins until commit. Rows are the taken messages; `toClaimed` reads them.
 */
export const claim = (
  session: { hostId: string; sessionEpoch: bigint },
  which: Prisma.Sql,
  now: Date,
) => Prisma.sql`
  WITH held AS MATERIALIZED (
    SELECT 1 FROM host_sessions
    WHERE host_id = ${session.hostId}::uuid AND epoch = ${session.sessionEpoch}::bigint FOR SHARE
  ), claimable AS MATERIALIZED (
    SELECT t.id, a.id AS assistant_id, a.user_id, a.conversation,
      EXISTS (SELECT FROM messages m WHERE m.user_id = a.user_id AND ${isWaiting}) AS has_messages
    FROM turns t JOIN assistants a ON a.id = t.assistant_id
    WHERE ${which} AND ${isClaimable(session.hostId, now)} AND EXISTS (SELECT FROM held)
  ), claimed AS (
    UPDATE turns t SET state = 'RUNNING', attempts = 1, conversation = c.conversation, host_server_id = ${session.hostId}::uuid,
      session_epoch = ${session.sessionEpoch}::bigint, claimed_at = ${now}
    FROM claimable c WHERE t.id = c.id AND c.has_messages
    RETURNING t.id, c.assistant_id, c.user_id, t.attempts, t.conversation, t.trace_parent, t.created_at
  ), taken AS (
    UPDATE messages m SET turn_id = claimed.id FROM claimed WHERE m.user_id = claimed.user_id AND ${isWaiting}
    RETURNING m.*
  ), needless AS (
    UPDATE turns t SET state = 'CANCELED', finished_at = ${now} FROM claimable c
    WHERE t.id = c.id AND NOT c.has_messages
  )
  SELECT c.id AS "turnId", c.assistant_id AS "assistantId", c.user_id AS "userId", c.attempts AS attempt,
    c.conversation, c.trace_parent AS "traceParent", c.created_at AS "receivedAt", m.body, m.context, m.created_at AS "createdAt",
    (EXISTS (SELECT FROM attachments f WHERE f.message_id = m.id)
      OR EXISTS (SELECT FROM reactions r WHERE r.user_id = c.user_id AND r.turn_id IS NULL)) AS "hasMore",
    m.channel::text, m.address, m.provider_order AS "providerOrder", m.provider_message_id AS "providerMessageId"
  FROM claimed c JOIN taken m ON m.turn_id = c.id ORDER BY c.created_at, c.id, m.seq`

export type TurnWithInput = ClaimedTurn & { input: TurnInput }

export function toClaimed(rows: ClaimedRow[]): TurnWithInput[] {
  const byTurn = Map.groupBy(rows, ({ turnId }) => turnId)
  return [...byTurn.values()].flatMap((messages) => {
    const [first] = messages
    if (!first) return []
    const { turnId, assistantId, userId, attempt, conversation, traceParent, receivedAt } = first
    const input = toTurnInput(userId, messages)
    return [{ turnId, assistantId, userId, attempt, conversation, traceParent, receivedAt, input }]
  })
}
