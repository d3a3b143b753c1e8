import type { Ctx } from '../../context.ts'
import { notFound } from '../../errors.ts'
import { readBalances } from './balance.ts'

const shownEntries = 200

/**
 * The ledger, newest first, and the cap of the month. Debits of model calls are shown as one entry a day of the
 * person's own, with the day as reference.
 */
export async function readCredits({ ctx, input }: { ctx: Ctx; input: { userId: string } }) {
  const { userId } = input
  const balance = (await readBalances(ctx.db, [userId], new Date(ctx.clock.now()))).get(userId)
  if (!balance) throw notFound('There is no such user.', 'user_not_found')
  const entries = await ctx.db.$queryRaw<
    { at: Date; amountMicros: bigint; reason: string; reference: string }[]
  >`
    SELECT max(e.created_at) AS at, sum(e.amount_micros)::bigint AS "amountMicros", e.reason, shown.reference
    FROM credit_entries e JOIN users u ON u.id = e.user_id
    CROSS JOIN LATERAL (SELECT CASE WHEN e.reason = 'usage'
      THEN to_char(e.created_at AT TIME ZONE u.time_zone, 'YYYY-MM-DD') ELSE e.reference END AS reference) AS shown
    WHERE e.user_id = ${userId}::uuid
    GROUP BY e.reason, shown.reference ORDER BY 1 DESC LIMIT ${shownEntries}`
  return {
    remainingMicros: Number(balance.remainingMicros),
    entries: entries.map(({ at, amountMicros, ...entry }) => ({
      at: at.toISOString(),
      amountMicros: Number(amountMicros),
      ...entry,
    })),
    cap: {
      monthlyMicros: balance.monthlyCapMicros === null ? null : Number(balance.monthlyCapMicros),
      spentMicros: Number(balance.monthSpentMicros),
      resetsAt: balance.monthEndsAt.toISOString(),
    },
  }
}
