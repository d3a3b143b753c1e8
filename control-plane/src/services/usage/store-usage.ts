import type { LlmProvider } from '@yourclaw/db'
import { Provider, type UsageCount } from '@yourclaw/proto/host/v1'
import { z } from 'zod'
import { inTransaction } from '../../context.ts'
import { endAlert } from '../alert/raise-alert.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'
import { sanitize } from '../conversation/sanitize.ts'
import { tellSpending } from '../credit/tell-spending.ts'

const providers = new Map<Provider, LlmProvider>([
  [Provider.PROVIDER_ANTHROPIC, 'ANTHROPIC'],
  [Provider.PROVIDER_OPENAI, 'OPENAI'],
  [Provider.PROVIDER_GOOGLE, 'GOOGLE'],
  [Provider.PROVIDER_BRAVE, 'BRAVE'],
])

/** More than any host can have counted is a mistake, and would not fit the columns. */
const figure = z.bigint().max(1_000_000_000_000_000n)
/** The last moment that a date can be. */
const endOfTimeMs = 8_640_000_000_000_000

/**
 * Stores what a host counted and debits what ran on shared keys, in one transaction. The figures are cumulative, so
 * that a row only grows: a repeated, older or partial report changes nothing, whichever session brings it. A host counts
 * for its own assistants, now or before; whatever else it says is left out.
 */
export async function storeUsage({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: { hostId: string; counts: readonly UsageCount[] }
}): Promise<void> {
  const rows = input.counts.flatMap((count) => storable(count, ctx.clock.now()))
  const leftOut = input.counts.length - rows.length
  if (leftOut > 0) ctx.log.warn({ hostId: input.hostId, leftOut }, 'a host counted what cannot be true')
  if (rows.length === 0) return
  const debited = await inTransaction(
    ctx,
    (tx) =>
      // The rows are taken in one order by every transaction, so that two of them never wait for each other.
      tx.$queryRaw<{ userId: string }[]>`
      WITH told AS (
        SELECT t.*, a.user_id FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS t (
          key text, assistant_id uuid, provider text, model text, own_key boolean, price_version text, estimated boolean,
          called_at timestamptz, calls int, input bigint, cached bigint, cache_write bigint, output bigint,
          reasoning bigint, cost bigint)
        JOIN assistants a ON a.id = t.assistant_id
        WHERE a.host_server_id = ${input.hostId}::uuid OR EXISTS (SELECT FROM change_log c
          WHERE c.assistant_id = a.id AND c.host_server_id = ${input.hostId}::uuid)
      ), stored AS (
        INSERT INTO usage_events AS e (user_id, host_server_id, report_key, provider, model, own_key, price_version,
          estimated, called_at, calls, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
          cost_micros)
        SELECT user_id, ${input.hostId}::uuid, key, provider::"LlmProvider", model, own_key, price_version, estimated,
          called_at, calls, input, cached, cache_write, output, reasoning, cost
        FROM told ORDER BY key
        ON CONFLICT (report_key) DO UPDATE SET calls = excluded.calls, input_tokens = excluded.input_tokens,
          cached_tokens = excluded.cached_tokens, cache_write_tokens = excluded.cache_write_tokens,
          output_tokens = excluded.output_tokens, reasoning_tokens = excluded.reasoning_tokens,
          cost_micros = excluded.cost_micros
        WHERE e.calls < excluded.calls AND e.host_server_id = excluded.host_server_id
        RETURNING new.user_id, new.own_key, new.report_key, new.calls,
          coalesce(new.cost_micros, 0) - coalesce(old.cost_micros, 0) AS added
      )
      INSERT INTO credit_entries (user_id, amount_micros, reason, reference, created_at)
      SELECT user_id, -sum(added), 'usage', min(report_key || '#' || calls), ${new Date(ctx.clock.now())} FROM stored
      WHERE NOT own_key AND added <> 0 GROUP BY user_id ORDER BY user_id
      RETURNING user_id AS "userId"`,
  )
  for (const { userId } of debited) await tellSpending({ ctx, input: { userId } })
  if (debited.length === 0) return
  const working = rows.filter((row) => !row.own_key && !row.estimated)
  const causes = [...new Set(working.map(({ provider }) => `shared_key:${provider.toLowerCase()}` as const))]
  const open = await ctx.db.alert.findMany({ where: { cause: { in: causes }, endedAt: null } })
  for (const cause of causes.filter((one) => open.some((alert) => alert.cause === one)))
    await inTransaction(ctx, (tx) => endAlert({ tx, cause }))
}

/** A host's words end in columns: what cannot be stored, or cannot be true, is left out. */
function storable(count: UsageCount, nowMs: number) {
  const provider = providers.get(count.provider)
  const ids = z.tuple([z.guid(), z.guid()]).safeParse([count.series, count.assistantId])
  const figures = z
    .array(figure)
    .safeParse([
      count.inputTokens,
      count.cachedTokens,
      count.cacheWriteTokens,
      count.outputTokens,
      count.reasoningTokens,
      count.costMicros,
    ])
  const calledAtMs = Number(count.fromUnixMs)
  const isPlausible = calledAtMs > 0 && calledAtMs <= endOfTimeMs && count.calls < 1_000_000_000
  if (!provider || !ids.success || !figures.success || !isPlausible) return []
  const model = sanitize(count.model).slice(0, 200).toWellFormed()
  const priceVersion = sanitize(count.priceVersion).slice(0, 50).toWellFormed() || null
  const flags = `${count.ownKey ? 'own' : 'shared'}${count.estimated ? '-estimated' : ''}`
  const key = [count.series, calledAtMs, count.assistantId, provider, flags, priceVersion ?? '', model].join(
    '/',
  )
  return [
    {
      key,
      assistant_id: count.assistantId,
      provider,
      model,
      own_key: count.ownKey,
      price_version: priceVersion,
      estimated: count.estimated,
      // A host whose clock is ahead has called nevertheless.
      called_at: new Date(Math.min(calledAtMs, nowMs)).toISOString(),
      calls: count.calls,
      input: String(count.inputTokens),
      cached: String(count.cachedTokens),
      cache_write: String(count.cacheWriteTokens),
      output: String(count.outputTokens),
      reasoning: String(count.reasoningTokens),
      cost: priceVersion === null ? null : String(count.costMicros),
    },
  ]
}
