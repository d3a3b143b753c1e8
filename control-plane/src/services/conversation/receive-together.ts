import { type PoolTransaction, Prisma } from '@yourclaw/db'
import { type Nudge, notification } from '../../context.ts'
import type { ConversationCtx } from './ctx.ts'
import { countsAsWritten, isEntitled, minuteBefore } from './limits.ts'
import type { ReceiveInput } from './receive-message.ts'
import { addressHash } from './rows.ts'
import { sanitize } from './sanitize.ts'

interface Owner {
  /** Of the input. */
  place: number
  assistantId: string
  userId: string
  hostServerId: string | null
}

type Ctx = Pick<ConversationCtx, 'pool' | 'clock' | 'settings' | 'wake'>

/**
 * Stores messages that are to be answered, each of another address, and asks for their turns (M3): messages of people
 * who are known, entitled, within their limits and not suspended. Null in the place of every other one.
 */
export async function receiveTogether({ ctx, inputs }: { ctx: Ctx; inputs: ReceiveInput[] }) {
  const nudges = new Set<Nudge>()
  const stored = await ctx.pool.transaction(async (tx) => {
    const owners = onePerAssistant(await lockOwners(tx, inputs))
    if (owners.length === 0) return []
    for (const { userId, hostServerId } of owners) {
      nudges.add(`messages:${userId}`)
      if (hostServerId !== null) nudges.add(`turns:${hostServerId}`)
    }
    const at = new Date(ctx.clock.now())
    const [rows] = await Promise.all([store(tx, ctx, { owners, inputs, at }), tx.last(notification(nudges))])
    return rows
  })
  if (stored.length > 0) ctx.wake(nudges)
  const messageIds = new Map(stored.map(({ place, messageId }) => [place, { messageId }]))
  return inputs.map((_, place) => messageIds.get(place) ?? null)
}

/** An assistant that somebody else holds at the moment keeps nobody here waiting (F8): it is left out. */
function lockOwners(tx: PoolTransaction, inputs: ReceiveInput[]): Promise<Owner[]> {
  const addresses = inputs.map(({ channel, address }, place) => ({ place, channel, address }))
  return tx.query<Owner>(Prisma.sql`
    SELECT i.place, a.id AS "assistantId", a.user_id AS "userId", a.host_server_id AS "hostServerId"
    FROM json_to_recordset(${JSON.stringify(addresses)}::json) AS i (place int, channel "Channel", address text)
    JOIN assistants a ON a.user_id = CASE i.channel WHEN 'WEB' THEN i.address::uuid ELSE (
      SELECT p.user_id FROM user_phones p
      WHERE p.channel = i.channel AND p.address = i.address AND p.unbound_at IS NULL) END
    WHERE (a.status <> 'NONE' OR a.desired <> 'ABSENT') AND a.suspended_at IS NULL
    FOR UPDATE OF a SKIP LOCKED`)
}

/** Somebody who writes on two channels at once: the second message counts the first one, so it goes alone. */
const onePerAssistant = (owners: Owner[]) => [
  ...new Map(owners.toReversed().map((owner) => [owner.assistantId, owner])).values(),
]

/** A statement of its own after the lock, so that it sees what the holders of the locks before us wrote. */
function store(
  tx: PoolTransaction,
  { settings }: Ctx,
  { owners, inputs, at }: { owners: Owner[]; inputs: ReceiveInput[]; at: Date },
) {
  const messages = owners.map(({ place, userId }) => {
    const { providerOrder, body, ...input } = inputs[place] as ReceiveInput
    const order = providerOrder === undefined ? null : String(providerOrder)
    return { ...input, place, userId, order, body: sanitize(body), addressHash: addressHash(input) }
  })
  return tx.query<{ place: number; messageId: string }>(Prisma.sql`
    WITH incoming AS (
      SELECT i.*, (${at}::timestamptz AT TIME ZONE users.time_zone)::date AS day
      FROM json_to_recordset(${JSON.stringify(messages)}::json) AS i (place int, "userId" uuid, channel "Channel",
        address text, "addressHash" text, body text, "providerMessageId" text, "order" bigint, "traceParent" text)
      JOIN users ON users.id = i."userId"
      WHERE ${isEntitled(at)}
        AND NOT EXISTS (SELECT FROM channel_contacts c
          WHERE i.channel = 'WHATSAPP' AND c.address_hash = i."addressHash" AND c.opted_out_at IS NOT NULL)
        AND NOT EXISTS (SELECT FROM messages m
          WHERE m.channel = i.channel AND m.provider_message_id = i."providerMessageId")
        AND (SELECT count(*) FROM (
          SELECT FROM messages WHERE user_id = users.id AND ${countsAsWritten}
            AND created_at > ${minuteBefore(at)} LIMIT ${settings.rateLimitPerMinute}::int
        ) AS written) < ${settings.rateLimitPerMinute}::int
    ), counted AS (
      INSERT INTO usage_daily AS d (user_id, date, inbound_count)
      SELECT "userId", day, 1 FROM incoming WHERE ${settings.rateLimitPerDay}::int > 0
      ON CONFLICT (user_id, date) DO UPDATE SET inbound_count = d.inbound_count + 1
      WHERE d.inbound_count < ${settings.rateLimitPerDay}::int
      RETURNING user_id
    ), numbered AS (
      UPDATE assistants a SET last_seq = last_seq + 1 FROM counted WHERE a.user_id = counted.user_id
      RETURNING a.id AS "assistantId", a.user_id AS "userId", a.last_seq AS seq
    ), accepted AS (
      SELECT * FROM incoming JOIN numbered USING ("userId")
    ), stored AS (
      INSERT INTO messages (user_id, direction, channel, address, body, provider_message_id, provider_order, seq,
        state, trace_parent, created_at)
      SELECT "userId", 'INBOUND', channel, address, body, "providerMessageId", "order", seq, 'RECEIVED', "traceParent",
        ${at} FROM accepted
      RETURNING id, user_id
    ), asked AS (
      INSERT INTO turns (assistant_id, trace_parent, created_at)
      SELECT "assistantId", "traceParent", ${at} FROM accepted
      ON CONFLICT (assistant_id) WHERE state = 'PENDING' DO NOTHING
    )
    SELECT accepted.place, stored.id AS "messageId" FROM accepted JOIN stored ON stored.user_id = accepted."userId"`)
}
