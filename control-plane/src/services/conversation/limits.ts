import { Prisma, type Transaction } from '@yourclaw/db'
import type { ConversationCtx } from './ctx.ts'

/** Why a message is refused before any turn takes it. */
export const refusals = ['opted_out', 'not_entitled', 'no_assistant', 'day_limit', 'minute_limit'] as const
export type RefusalCode = (typeof refusals)[number]

/** `resetsAt` says when the next message is taken again. */
export type LimitResult = { ok: true } | { ok: false; limit: 'day' | 'minute'; resetsAt: Date }

export interface UserDay {
  /** YYYY-MM-DD, the user's own. */
  date: string
  endsAt: Date
  timeZone: string
}

/** Of a row of `users`. */
const dayOf = (at: Date) => Prisma.sql`
  to_char(${at}::timestamptz AT TIME ZONE time_zone, 'YYYY-MM-DD') AS date, time_zone AS "timeZone",
  (((${at}::timestamptz AT TIME ZONE time_zone)::date + 1)::timestamp AT TIME ZONE time_zone) AS "endsAt"`

/** Of a row of `users`: whether the person's messages are paid for. */
export const isEntitled = (at: Date) => Prisma.sql`
  (users.deletion_requested_at IS NULL AND EXISTS (SELECT FROM subscriptions s WHERE s.user_id = users.id
    AND (s.status = 'ACTIVE' OR (s.status = 'PAST_DUE' AND s.grace_end > ${at}))))`

/** Of a message that belongs to an album of which another one counts. */
export const albumCode = 'album'

/** Of a row of `messages`: what the limit of a minute counts. An album is one. */
export const countsAsWritten = Prisma.sql`(direction = 'INBOUND' AND kind = 'CHAT'
  AND state IN ('RECEIVED', 'ANSWERED') AND code IS DISTINCT FROM ${albumCode})`

export const minuteBefore = (at: Date) => new Date(at.getTime() - 60_000)

export async function userDay(tx: Transaction, userId: string, at: Date): Promise<UserDay> {
  const [day] = await tx.$queryRaw<UserDay[]>`SELECT ${dayOf(at)} FROM users WHERE id = ${userId}::uuid`
  if (!day) throw new Error('user is gone')
  return day
}

/** The user's day, and whether it is paid for. */
export async function userStanding(tx: Transaction, userId: string, at: Date) {
  const [standing] = await tx.$queryRaw<(UserDay & { isEntitled: boolean })[]>`
    SELECT ${dayOf(at)}, ${isEntitled(at)} AS "isEntitled" FROM users WHERE id = ${userId}::uuid`
  if (!standing) throw new Error('user is gone')
  return standing
}

/** Counts one answer on the person's own day. */
export async function countAnswer(tx: Transaction, userId: string, at: Date): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO usage_daily AS u (user_id, date, outbound_count)
    SELECT id, (${at}::timestamptz AT TIME ZONE time_zone)::date, 1 FROM users WHERE id = ${userId}::uuid
    ON CONFLICT (user_id, date) DO UPDATE SET outbound_count = u.outbound_count + 1`
}

/** Counts one message when both limits allow it (M14). Only under the assistant's lock. */
export async function takeFromLimits(
  tx: Transaction,
  ctx: ConversationCtx,
  input: { userId: string; messageId: string; day: UserDay; at: Date },
): Promise<LimitResult> {
  const perMinute = ctx.settings.rateLimitPerMinute
  const recent = await tx.$queryRaw<{ at: Date }[]>`
    SELECT created_at AS at FROM messages
    WHERE user_id = ${input.userId}::uuid AND ${countsAsWritten} AND id <> ${input.messageId}::uuid
      AND created_at > ${minuteBefore(input.at)} ORDER BY created_at DESC LIMIT ${perMinute}`
  const oldest = recent.at(-1)
  if (recent.length >= perMinute) {
    const from = oldest?.at ?? input.at
    return { ok: false, limit: 'minute', resetsAt: new Date(from.getTime() + 60_000) }
  }
  const counted = await tx.$executeRaw`
    INSERT INTO usage_daily AS u (user_id, date, inbound_count)
    SELECT ${input.userId}::uuid, ${input.day.date}::date, 1 WHERE ${ctx.settings.rateLimitPerDay}::int > 0
    ON CONFLICT (user_id, date) DO UPDATE SET inbound_count = u.inbound_count + 1
    WHERE u.inbound_count < ${ctx.settings.rateLimitPerDay}::int`
  return counted === 1 ? { ok: true } : { ok: false, limit: 'day', resetsAt: input.day.endsAt }
}
