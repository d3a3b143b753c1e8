import { randomUUIDv7 } from 'node:crypto'
import { type PoolTransaction, Prisma } from '@yourclaw/db'
import { render } from '../../channels/render.ts'
import type { Payload } from '../../channels/sender.ts'
import { type Nudge, notification } from '../../context.ts'
import type { ConversationCtx, StoredMessage } from './ctx.ts'
import type { AnsweredTurn, FinishInput } from './finish-turn.ts'
import { lockAll, locked } from './locked.ts'
import { sanitize } from './sanitize.ts'

interface Answer extends AnsweredTurn {
  turnId: string
  /** Decimal: JSON knows no bigint. */
  epoch: string
  messageId: string
  body: string
  payloads: Payload[]
}

type Ctx = Pick<ConversationCtx, 'pool' | 'clock' | 'outbox' | 'wake'>

/**
 * Stores the answers of turns that run under the epoch that is named, each with its delivery. Null in the place of
 * every other turn, and of an answer that says nothing. The transaction is one way to the database and back.
 */
export async function finishTogether({ ctx, inputs }: { ctx: Ctx; inputs: FinishInput[] }) {
  const answers = await write(ctx, inputs)
  if (answers.length === 0) return inputs.map(() => null)
  const nudges = new Set(answers.map(({ userId }): Nudge => `messages:${userId}`))
  const at = new Date(ctx.clock.now())
  const jobs = answers.map(({ channel, address, messageId }) => ({ to: { channel, address }, messageId }))
  const { parts, send } = await ctx.pool.transaction(async (tx) => {
    const locking = lockAll(tx, stillRunning(answers))
    const storing = store(tx, answers, at)
    // The job of an answer that is not stored finds nothing to send.
    const enqueuing = ctx.outbox.enqueueMessages(tx, jobs)
    const committing = enqueuing.then(() => tx.last(notification(nudges)))
    const [, parts, send] = await Promise.all([locking, storing, enqueuing, committing])
    return { parts, send }
  })
  const stored = storedMessages(answers, parts, at)
  await send?.(stored)
  ctx.wake(nudges)
  const isStored = new Set(stored.map(({ messageId }) => messageId))
  const done = answers.filter(({ messageId }) => isStored.has(messageId))
  const byTurn = new Map(done.map(({ turnId, messageId }) => [turnId, { messageId }]))
  return inputs.map(({ turnId }) => byTurn.get(turnId) ?? null)
}

/** What is to be stored, ready for its channel: of turns that are there and answers that say something. */
async function write(ctx: Ctx, inputs: FinishInput[]): Promise<Answer[]> {
  const unknown = inputs.flatMap(({ turnId, turn }) => (turn ? [] : [turnId]))
  const looked = unknown.length === 0 ? [] : await look(ctx, unknown)
  const turns = new Map(looked.map(({ turnId, ...turn }) => [turnId, turn]))
  return inputs.flatMap((input): Answer[] => {
    const { turnId, sessionEpoch } = input
    const turn = input.turn ?? turns.get(turnId)
    if (!turn) return []
    const body = sanitize(input.text)
    const payloads = render(turn.channel, body)
    if (payloads.length === 0) return []
    return [{ ...turn, turnId, epoch: String(sessionEpoch), messageId: randomUUIDv7(), body, payloads }]
  })
}

function look({ pool }: Ctx, turnIds: string[]): Promise<(AnsweredTurn & { turnId: string })[]> {
  return pool.query(Prisma.sql`
    SELECT t.id AS "turnId", a.user_id AS "userId", m.channel::text, m.address,
      t.created_at AS "receivedAt"
    FROM turns t JOIN assistants a ON a.id = t.assistant_id
    CROSS JOIN LATERAL (SELECT channel, address FROM messages
      WHERE turn_id = t.id AND direction = 'INBOUND' ORDER BY seq DESC LIMIT 1) AS m
    WHERE t.id = ANY(${turnIds}::uuid[])`)
}

/**
 * The turns that still run under their epochs, which they do until commit: what the lock waited for is looked at
 * again. One whose assistant somebody else holds at the moment keeps nobody here waiting (F8): it is left out.
 */
function stillRunning(answers: Answer[]) {
  const running = answers.map(({ turnId, epoch }) => ({ turnId, epoch }))
  return Prisma.sql`
    SELECT t.id FROM json_to_recordset(${JSON.stringify(running)}::json) AS i ("turnId" uuid, epoch bigint)
    JOIN turns t ON t.id = i."turnId" AND t.state = 'RUNNING' AND t.session_epoch = i.epoch
    JOIN assistants a ON a.id = t.assistant_id
    FOR UPDATE OF a, t SKIP LOCKED`
}

/** RUNNING → DONE; its messages are answered, its answer stored with its parts and counted on the person's own day. */
function store(tx: PoolTransaction, answers: Answer[], at: Date): Promise<StoredPart[]> {
  return tx.query<StoredPart>(Prisma.sql`
    WITH answers AS (
      SELECT * FROM json_to_recordset(${JSON.stringify(answers)}::json) AS i ("turnId" uuid, "userId" uuid,
        "messageId" uuid, channel "Channel", address text, body text, payloads jsonb)
      WHERE i."turnId" = ANY(${locked})
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
    ), parts AS (
      INSERT INTO deliveries (message_id, user_id, channel, address, part, payload)
      SELECT i."messageId", i."userId", i.channel, i.address, place - 1, payload
      FROM answers i, jsonb_array_elements(i.payloads) WITH ORDINALITY AS p (payload, place)
      RETURNING id, message_id, part
    )
    SELECT parts.id, i."messageId", parts.part, done.trace_parent AS "traceParent"
    FROM parts JOIN answers i ON i."messageId" = parts.message_id JOIN done ON done.id = i."turnId"`)
}

interface StoredPart {
  id: string
  messageId: string
  part: number
  /** Of its turn. */
  traceParent: string | null
}

/** Those of which there are parts. */
function storedMessages(answers: Answer[], parts: StoredPart[], at: Date): StoredMessage[] {
  const byMessage = Map.groupBy(parts, ({ messageId }) => messageId)
  return answers.flatMap(({ messageId, address, payloads, receivedAt }) => {
    const [first, ...others] = byMessage.get(messageId) ?? []
    if (!first) return []
    const { traceParent } = first
    const ids = new Map([first, ...others].map(({ id, part }) => [part, id]))
    const stored = payloads.flatMap((payload, part) => {
      const id = ids.get(part)
      return id === undefined ? [] : [{ id, address, payload }]
    })
    return [{ messageId, traceParent, answeredAt: at, receivedAt, parts: stored }]
  })
}
