import type { Ctx } from '../../context.ts'
import { userDay } from '../conversation/limits.ts'

const shownDays = 30

/**
 * Messages of today and of the last 30 days, in the user's own days, oldest first; days without messages are left out.
 * Until model calls are metered every token figure and cost is 0, and `models` is empty.
 */
export async function readUsage({ ctx, input }: { ctx: Ctx; input: { userId: string } }) {
  const { userId } = input
  const { date, endsAt } = await userDay(ctx.db, userId, new Date(ctx.clock.now()))
  const since = new Date(date)
  since.setUTCDate(since.getUTCDate() - shownDays + 1)
  const rows = await ctx.db.usageDaily.findMany({
    where: { userId, date: { gte: since } },
    orderBy: { date: 'asc' },
  })
  const days = rows.map((row) => ({
    date: row.date.toISOString().slice(0, 10),
    inbound: row.inboundCount,
    outbound: row.outboundCount,
    inputTokens: 0,
    outputTokens: 0,
    costMicros: 0,
    ownKey: { inputTokens: 0, outputTokens: 0 },
  }))
  const today = days.find((day) => day.date === date)
  return {
    today: {
      inbound: today?.inbound ?? 0,
      outbound: today?.outbound ?? 0,
      limit: ctx.settings.rateLimitPerDay,
      resetsAt: endsAt.toISOString(),
    },
    days,
    models: [],
  }
}
