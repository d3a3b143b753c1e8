import type { Ctx } from '../../context.ts'
import { countsAsWritten, minuteBefore, userDay } from '../conversation/limits.ts'

const shownDays = 30

interface Used {
  calls: bigint
  inputTokens: bigint
  outputTokens: bigint
  costMicros: bigint
  ownInputTokens: bigint
  ownOutputTokens: bigint
}

/**
 * Messages and model calls of today and of the last 30 days, in the user's own days, oldest first; days without either
 * are left out. `inputTokens`, `outputTokens` and `costMicros` are what ran on shared keys, `ownKey` what ran on the
 * user's own and cost nothing here. `minute` is the shorter limit, as of now. `models` sums the same 30 days, with all keys; the dearest is first.
 */
export async function readUsage({ ctx, input }: { ctx: Ctx; input: { userId: string } }) {
  const { userId } = input
  const { date, endsAt } = await userDay(ctx.db, userId, new Date(ctx.clock.now()))
  const since = new Date(date)
  since.setUTCDate(since.getUTCDate() - shownDays + 1)
  const [messages, minute, used, models] = await Promise.all([
    ctx.db.usageDaily.findMany({ where: { userId, date: { gte: since } }, orderBy: { date: 'asc' } }),
    readMinute(ctx, userId),
    ctx.db.$queryRaw<(Used & { date: string })[]>`
      SELECT to_char(e.called_at AT TIME ZONE u.time_zone, 'YYYY-MM-DD') AS date, sum(e.calls) AS calls,
        coalesce(sum(e.input_tokens) FILTER (WHERE NOT e.own_key), 0)::bigint AS "inputTokens",
        coalesce(sum(e.output_tokens) FILTER (WHERE NOT e.own_key), 0)::bigint AS "outputTokens",
        coalesce(sum(e.cost_micros) FILTER (WHERE NOT e.own_key), 0)::bigint AS "costMicros",
        coalesce(sum(e.input_tokens) FILTER (WHERE e.own_key), 0)::bigint AS "ownInputTokens",
        coalesce(sum(e.output_tokens) FILTER (WHERE e.own_key), 0)::bigint AS "ownOutputTokens"
      FROM usage_events e JOIN users u ON u.id = e.user_id
      WHERE e.user_id = ${userId}::uuid AND e.called_at >= ${since}::date::timestamp AT TIME ZONE u.time_zone
      GROUP BY 1 ORDER BY 1`,
    ctx.db.$queryRaw<
      { model: string; calls: bigint; inputTokens: bigint; outputTokens: bigint; costMicros: bigint }[]
    >`
      SELECT lower(e.provider::text) || '/' || e.model AS model, sum(e.calls)::bigint AS calls,
        sum(e.input_tokens)::bigint AS "inputTokens", sum(e.output_tokens)::bigint AS "outputTokens",
        coalesce(sum(e.cost_micros) FILTER (WHERE NOT e.own_key), 0)::bigint AS "costMicros"
      FROM usage_events e JOIN users u ON u.id = e.user_id
      WHERE e.user_id = ${userId}::uuid AND e.called_at >= ${since}::date::timestamp AT TIME ZONE u.time_zone
      GROUP BY 1 ORDER BY "costMicros" DESC, model`,
  ])
  const dates = [...new Set([...messages.map(dayOf), ...used.map((day) => day.date)])].sort()
  const days = dates.map((day) => {
    const counted = messages.find((row) => dayOf(row) === day)
    const calls = used.find((row) => row.date === day)
    return {
      date: day,
      inbound: counted?.inboundCount ?? 0,
      outbound: counted?.outboundCount ?? 0,
      inputTokens: Number(calls?.inputTokens ?? 0n),
      outputTokens: Number(calls?.outputTokens ?? 0n),
      costMicros: Number(calls?.costMicros ?? 0n),
      ownKey: {
        inputTokens: Number(calls?.ownInputTokens ?? 0n),
        outputTokens: Number(calls?.ownOutputTokens ?? 0n),
      },
    }
  })
  const today = days.find((day) => day.date === date)
  return {
    today: {
      inbound: today?.inbound ?? 0,
      outbound: today?.outbound ?? 0,
      limit: ctx.settings.rateLimitPerDay,
      resetsAt: endsAt.toISOString(),
    },
    minute,
    days,
    models: models.map((row) => ({
      model: row.model,
      calls: Number(row.calls),
      inputTokens: Number(row.inputTokens),
      outputTokens: Number(row.outputTokens),
      costMicros: Number(row.costMicros),
    })),
  }
}

/** What the limit of a minute counts now; `resetsAt` is when the oldest of it counts no more, absent when nothing does. */
async function readMinute(ctx: Ctx, userId: string) {
  const at = new Date(ctx.clock.now())
  const [recent] = await ctx.db.$queryRaw<{ inbound: number; oldest: Date | null }[]>`
    SELECT count(*)::int AS inbound, min(created_at) AS oldest FROM messages
    WHERE user_id = ${userId}::uuid AND ${countsAsWritten} AND created_at > ${minuteBefore(at)}`
  const oldest = recent?.oldest
  return {
    inbound: recent?.inbound ?? 0,
    limit: ctx.settings.rateLimitPerMinute,
    ...(oldest && { resetsAt: new Date(oldest.getTime() + 60_000).toISOString() }),
  }
}

const dayOf = ({ date }: { date: Date }) => date.toISOString().slice(0, 10)
