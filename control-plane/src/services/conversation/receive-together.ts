import { type PoolTransaction, Prisma } from '@yourclaw/db'
import { type Nudge, notification } from '../../context.ts'
import { type ClaimedRow, claim, type TurnWithInput, toClaimed } from './claim.ts'
import type { ConversationCtx } from './ctx.ts'
import type { KnownOwners, Owner } from './known-owners.ts'
import { countsAsWritten, isEntitled, minuteBefore } from './limits.ts'
import { lockAll, locked } from './locked.ts'
import type { ReceiveInput } from './receive-message.ts'
import { addressHash } from './rows.ts'
import { sanitize } from './sanitize.ts'

/** `place` = of the input. */
type Writer = Owner & { place: number }

type Ctx = Pick<ConversationCtx, 'pool' | 'clock' | 'settings' | 'wake' | 'hostsHere'>

/**
 * Stores messages that are to be answered, each of another address, and asks for their turns (M3): messages of people
 * who are known, entitled, within their limits and not suspended. Null in the place of every other one. Turns of hosts
 * whose sessions are here are claimed in the same transaction, which is one way to the database and back.
 */
export async function receiveTogether(deps: { ctx: Ctx; owners: KnownOwners; inputs: ReceiveInput[] }) {
  const { ctx, owners, inputs } = deps
  const writers = onePerAssistant(await owners.find(inputs))
  if (writers.length === 0) return inputs.map(() => null)
  const claims = reserve(ctx, writers)
  const nudges = new Set(writers.flatMap(nudgesOf))
  const at = new Date(ctx.clock.now())
  try {
    const stored = await ctx.pool.transaction(async (tx) => {
      const [, rows, ...claimed] = await Promise.all([
        lockAll(tx, stillOwned(writers, inputs)),
        store(tx, ctx, { writers, inputs, at }),
        ...claims.map((one) => tx.query<ClaimedRow>(claim(one, isOf(one.assistantIds), at))),
        tx.last(notification(nudges)),
      ])
      for (const [index, one] of claims.entries()) one.turns = toClaimed(claimed[index] as ClaimedRow[])
      return rows
    })
    // What was claimed here needs nobody to come and claim it.
    const done = new Set<string>(claims.filter(isComplete).map(({ hostId }) => `turns:${hostId}`))
    ctx.wake([...nudges].filter((nudge) => !done.has(nudge)))
    const messageIds = new Map(stored.map(({ place, messageId }) => [place, { messageId }]))
    return inputs.map((input, place) => {
      const accepted = messageIds.get(place)
      if (!accepted) owners.forget(input)
      return accepted ?? null
    })
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

const isOf = (assistantIds: string[]) =>
  Prisma.sql`t.assistant_id = ANY(${assistantIds}::uuid[]) AND t.assistant_id = ANY(${locked})`
const isComplete = ({ turns, wanted }: Claim) => turns.length === wanted

function reserve({ hostsHere }: Ctx, writers: Owner[]): Claim[] {
  const byHost = Map.groupBy(writers, ({ hostServerId }) => hostServerId ?? '')
  return [...byHost].flatMap(([hostId, wanting]) => {
    const reserved = hostsHere.get(hostId)?.reserve(wanting.length)
    if (!reserved || reserved.places === 0) return []
    const { places, sessionEpoch, take } = reserved
    const assistantIds = wanting.slice(0, places).map(({ assistantId }) => assistantId)
    return [{ hostId, sessionEpoch, take, assistantIds, wanted: wanting.length, turns: [] }]
  })
}

/**
 * The assistants that are as they are known, and may be written to. One that somebody else holds at the moment keeps
 * nobody here waiting (F8): it is left out.
 */
function stillOwned(writers: Writer[], inputs: ReceiveInput[]) {
  const known = writers.map(({ place, ...owner }) => {
    const { channel, address } = inputs[place] as ReceiveInput
    return { ...owner, channel, address }
  })
  return Prisma.sql`
    SELECT a.id
    FROM json_to_recordset(${JSON.stringify(known)}::json)
      AS i ("assistantId" uuid, "userId" uuid, "hostServerId" uuid, channel "Channel", address text)
    JOIN assistants a ON a.id = i."assistantId" AND a.user_id = i."userId"
    WHERE a.host_server_id IS NOT DISTINCT FROM i."hostServerId"
      AND (a.status <> 'NONE' OR a.desired <> 'ABSENT') AND a.suspended_at IS NULL
      AND (i.channel = 'WEB' OR EXISTS (SELECT FROM user_phones p
        WHERE p.channel = i.channel AND p.address = i.address AND p.user_id = i."userId" AND p.unbound_at IS NULL))
    FOR UPDATE OF a SKIP LOCKED`
}

/** Somebody who writes on two channels at once: the second message counts the first one, so it goes alone. */
const onePerAssistant = (found: (Owner | undefined)[]): Writer[] => {
  const writers = found.flatMap((owner, place) => (owner ? [{ ...owner, place }] : []))
  return [...new Map(writers.toReversed().map((writer) => [writer.assistantId, writer])).values()]
}

/** Of the writers that are locked. */
function store(
  tx: PoolTransaction,
  { settings }: Ctx,
  { writers, inputs, at }: { writers: Writer[]; inputs: ReceiveInput[]; at: Date },
) {
  const messages = writers.map(({ place, userId, assistantId }) => {
    const { providerOrder, body, ...input } = inputs[place] as ReceiveInput
    const order = providerOrder === undefined ? null : String(providerOrder)
    return {
      ...input,
      place,
      userId,
      assistantId,
      order,
      body: sanitize(body),
      addressHash: addressHash(input),
    }
  })
  return tx.query<{ place: number; messageId: string }>(Prisma.sql`
    WITH incoming AS (
      SELECT i.*, (${at}::timestamptz AT TIME ZONE users.time_zone)::date AS day
      FROM json_to_recordset(${JSON.stringify(messages)}::json) AS i (place int, "userId" uuid, "assistantId" uuid, channel "Channel",
        address text, "addressHash" text, body text, "providerMessageId" text, "chatMessageId" text, "order" bigint, "traceParent" text)
      JOIN users ON users.id = i."userId"
      WHERE i."assistantId" = ANY(${locked}) AND ${isEntitled(at)}
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
      RETURNING a.user_id AS "userId", a.last_seq AS seq
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
