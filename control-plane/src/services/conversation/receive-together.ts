import { type PoolTransaction, Prisma } from '@yourclaw/db'
import { type Nudge, notification } from '../../context.ts'
import { type ClaimedRow, claim, type TurnWithInput, toClaimed } from './claim.ts'
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

type Ctx = Pick<ConversationCtx, 'pool' | 'clock' | 'settings' | 'wake' | 'hostsHere'>

/**
 * Stores messages that are to be answered, each of another address, and asks for their turns (M3): messages of people
 * who are known, entitled, within their limits and not suspended. Null in the place of every other one. Turns of hosts
 * whose sessions are here are claimed in the same transaction.
 */
export async function receiveTogether({ ctx, inputs }: { ctx: Ctx; inputs: ReceiveInput[] }) {
  const claims: Claim[] = []
  try {
    const { stored, nudges } = await ctx.pool.transaction(async (tx) => {
      const owners = onePerAssistant(await lockOwners(tx, inputs))
      if (owners.length === 0) return { stored: [], nudges: [] }
      const at = new Date(ctx.clock.now())
      claims.push(...reserve(ctx, owners))
      const toAll = new Set(owners.flatMap(nudgesOf))
      const [rows, ...claimed] = await Promise.all([
        store(tx, ctx, { owners, inputs, at }),
        ...claims.map((one) => tx.query<ClaimedRow>(claim(one, isOf(one.assistantIds), at))),
        tx.last(notification(toAll)),
      ])
      for (const [index, one] of claims.entries()) one.turns = toClaimed(claimed[index] as ClaimedRow[])
      return { stored: rows, nudges: toAll }
    })
    // What was claimed here needs nobody to come and claim it.
    const done = new Set<string>(claims.filter(isComplete).map(({ hostId }) => `turns:${hostId}`))
    ctx.wake([...nudges].filter((nudge) => !done.has(nudge)))
    const messageIds = new Map(stored.map(({ place, messageId }) => [place, { messageId }]))
    return inputs.map((_, place) => messageIds.get(place) ?? null)
  } finally {
    for (const { take, turns } of claims) take(turns)
  }
}

const nudgesOf = ({ userId, hostServerId }: Owner): Nudge[] =>
  hostServerId === null ? [`messages:${userId}`] : [`messages:${userId}`, `turns:${hostServerId}`]

/** Of one host. */
interface Claim {
  hostId: string
  sessionEpoch: bigint
  assistantIds: string[]
  /** How many wanted to be claimed. */
  wanted: number
  /** Empty until they are. */
  turns: TurnWithInput[]
  take(turns: TurnWithInput[]): void
}

const isOf = (assistantIds: string[]) => Prisma.sql`t.assistant_id = ANY(${assistantIds}::uuid[])`
const isComplete = ({ turns, wanted }: Claim) => turns.length === wanted

function reserve({ hostsHere }: Ctx, owners: Owner[]): Claim[] {
  const byHost = Map.groupBy(owners, ({ hostServerId }) => hostServerId ?? '')
  return [...byHost].flatMap(([hostId, wanting]) => {
    const reserved = hostsHere.get(hostId)?.reserve(wanting.length)
    if (!reserved || reserved.places === 0) return []
    const { places, sessionEpoch, take } = reserved
    const assistantIds = wanting.slice(0, places).map(({ assistantId }) => assistantId)
    return [{ hostId, sessionEpoch, take, assistantIds, wanted: wanting.length, turns: [] }]
  })
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
        address text, "addressHash" text, body text, "providerMessageId" text, "chatMessageId" text, "order" bigint, "traceParent" text)
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
        state, trace_parent, created_at, chat_message_id)
      SELECT "userId", 'INBOUND', channel, address, body, "providerMessageId", "order", seq, 'RECEIVED', "traceParent",
        ${at}, "chatMessageId" FROM accepted
      RETURNING id, user_id
    ), asked AS (
      INSERT INTO turns (assistant_id, trace_parent, created_at)
      SELECT "assistantId", "traceParent", ${at} FROM accepted
      ON CONFLICT (assistant_id) WHERE state = 'PENDING' DO NOTHING
    )
    SELECT accepted.place, stored.id AS "messageId" FROM accepted JOIN stored ON stored.user_id = accepted."userId"`)
}
