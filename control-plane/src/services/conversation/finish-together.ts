import { type PoolTransaction, Prisma } from '@yourclaw/db'
import { render } from '../../channels/render.ts'
import type { Payload } from '../../channels/sender.ts'
import { type Nudge, notification } from '../../context.ts'
import type { ConversationCtx, Recipient, StoredMessage } from './ctx.ts'
import type { FinishInput } from './finish-turn.ts'
import { sanitize } from './sanitize.ts'

interface Answerable extends Recipient {
  turnId: string
  userId: string
  hostServerId: string | null
  /** For the answer. */
  messageId: string
  traceParent: string | null
  receivedAt: Date
}

interface Answer extends Answerable {
  body: string
  payloads: Payload[]
}

type Ctx = Pick<ConversationCtx, 'pool' | 'clock' | 'outbox' | 'wake'>

/**
 * Stores the answers of turns that run under the epoch that is named, each with its delivery. Null in the place of
 * every other turn, and of an answer that says nothing.
 */
export async function finishTogether({ ctx, inputs }: { ctx: Ctx; inputs: FinishInput[] }) {
  const nudges = new Set<Nudge>()
  const at = new Date(ctx.clock.now())
  const texts = new Map(inputs.map(({ turnId, text }) => [turnId, sanitize(text)]))
  const { answers, send, parts } = await ctx.pool.transaction(async (tx) => {
    const answers = (await lockRunning(tx, inputs)).flatMap((turn): Answer[] => {
      const body = texts.get(turn.turnId) ?? ''
      const payloads = render(turn.channel, body)
      return payloads.length === 0 ? [] : [{ ...turn, body, payloads }]
    })
    if (answers.length === 0) return { answers, parts: [] }
    for (const { userId, hostServerId } of answers) {
      nudges.add(`messages:${userId}`)
      if (hostServerId !== null) nudges.add(`turns:${hostServerId}`)
    }
    const jobs = answers.map(({ channel, address, messageId }) => ({ to: { channel, address }, messageId }))
    // One way to the database and back for all of it, the commit included.
    const storing = store(tx, answers, at)
    const enqueuing = ctx.outbox.enqueueMessages(tx, jobs)
    const committing = enqueuing.then(() => tx.last(notification(nudges)))
    const [parts, send] = await Promise.all([storing, enqueuing, committing])
    return { answers, send, parts }
  })
  await send?.(storedMessages(answers, parts, at))
  if (answers.length > 0) ctx.wake(nudges)
  const messageIds = new Map(answers.map(({ turnId, messageId }) => [turnId, { messageId }]))
  return inputs.map(({ turnId }) => messageIds.get(turnId) ?? null)
}

/**
 * The turns that still run under their epochs, which they do until commit: what the lock waited for is looked at
 * again. One whose assistant somebody else holds at the moment keeps nobody here waiting (F8): it is left out.
 */
function lockRunning(tx: PoolTransaction, inputs: FinishInput[]): Promise<Answerable[]> {
  const running = inputs.map(({ turnId, sessionEpoch }) => ({ turnId, epoch: String(sessionEpoch) }))
  return tx.query<Answerable>(Prisma.sql`
    SELECT t.id AS "turnId", a.user_id AS "userId", t.host_server_id AS "hostServerId", m.channel::text, m.address,
      uuidv7() AS "messageId", t.trace_parent AS "traceParent", t.created_at AS "receivedAt"
    FROM json_to_recordset(${JSON.stringify(running)}::json) AS i ("turnId" uuid, epoch bigint)
    JOIN turns t ON t.id = i."turnId" AND t.state = 'RUNNING' AND t.session_epoch = i.epoch
    JOIN assistants a ON a.id = t.assistant_id
    CROSS JOIN LATERAL (SELECT channel, address FROM messages
      WHERE turn_id = t.id AND direction = 'INBOUND' ORDER BY seq DESC LIMIT 1) AS m
    FOR UPDATE OF a, t SKIP LOCKED`)
}

/** RUNNING → DONE; its messages are answered, its answer stored with its parts and counted on the person's own day. */
function store(tx: PoolTransaction, answers: Answer[], at: Date): Promise<StoredPart[]> {
  return tx.query<StoredPart>(Prisma.sql`
    WITH answers AS (
      SELECT * FROM json_to_recordset(${JSON.stringify(answers)}::json) AS i ("turnId" uuid, "userId" uuid,
        "messageId" uuid, channel "Channel", address text, body text, payloads jsonb)
    ), done AS (
      UPDATE turns t SET state = 'DONE', partial_text = NULL, finished_at = ${at} FROM answers i WHERE t.id = i."turnId"
      RETURNING t.id, t.trace_parent
    ), answered AS (
      UPDATE messages m SET state = 'ANSWERED' FROM answers i WHERE m.turn_id = i."turnId" AND m.direction = 'INBOUND'
    ), counted AS (
      INSERT INTO usage_daily AS d (user_id, date, outbound_count)
      SELECT u.id, (${at}::timestamptz AT TIME ZONE u.time_zone)::date, 1
      FROM answers i JOIN users u ON u.id = i."userId"
      ON CONFLICT (user_id, date) DO UPDATE SET outbound_count = d.outbound_count + 1
    ), numbered AS (
      UPDATE assistants a SET last_seq = last_seq + 1 FROM answers i WHERE a.user_id = i."userId"
      RETURNING a.user_id, a.last_seq
    ), stored AS (
      INSERT INTO messages (id, user_id, direction, kind, channel, address, body, seq, state, turn_id, trace_parent,
        created_at)
      SELECT i."messageId", i."userId", 'OUTBOUND', 'CHAT', i.channel, i.address, i.body, n.last_seq, 'PENDING',
        i."turnId", done.trace_parent, ${at}
      FROM answers i JOIN done ON done.id = i."turnId" JOIN numbered n ON n.user_id = i."userId"
    )
    INSERT INTO deliveries (message_id, user_id, channel, address, part, payload)
    SELECT i."messageId", i."userId", i.channel, i.address, place - 1, payload
    FROM answers i, jsonb_array_elements(i.payloads) WITH ORDINALITY AS p (payload, place)
    RETURNING id, message_id AS "messageId", part`)
}

interface StoredPart {
  id: string
  messageId: string
  part: number
}

function storedMessages(answers: Answer[], parts: StoredPart[], at: Date): StoredMessage[] {
  const byMessage = Map.groupBy(parts, ({ messageId }) => messageId)
  return answers.map(({ messageId, address, payloads, traceParent, receivedAt }) => {
    const ids = new Map(byMessage.get(messageId)?.map(({ id, part }) => [part, id]))
    const stored = payloads.flatMap((payload, part) => {
      const id = ids.get(part)
      return id === undefined ? [] : [{ id, address, payload }]
    })
    return { messageId, traceParent, answeredAt: at, receivedAt, parts: stored }
  })
}
