import type { Allowance } from '@yourclaw/proto/host/v1'
import type { Ctx } from '../../context.ts'
import { type Balance, readBalances, spendable } from './balance.ts'

/**
 * The most that a host holds for one assistant: room for a few of the dearest calls, and all that can be spent behind
 * our back while the host is out of reach.
 */
const maxAllowanceMicros = 5_000_000n

/** What bounds somebody's spending; each has its own words and its own way out. */
export type Bound = 'credit' | 'month' | 'platform'

/** What each assistant on a host may spend on shared keys now, of all that is stored. */
export async function readAllowances({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { hostId: string; assistantIds?: string[] }
}): Promise<Allowance[]> {
  const assistants = await ctx.db.assistant.findMany({
    where: { hostServerId: input.hostId, ...(input.assistantIds && { id: { in: input.assistantIds } }) },
    select: { id: true, userId: true },
    orderBy: { id: 'asc' },
  })
  const at = new Date(ctx.clock.now())
  const userIds = assistants.map(({ userId }) => userId)
  const [balances, platform] = await Promise.all([
    readBalances(ctx.db, userIds, at),
    platformRemaining(ctx, at),
  ])
  return assistants.flatMap(({ id, userId }) => {
    const balance = balances.get(userId)
    return balance ? [{ assistantId: id, ...allowanceOf(balance, platform) }] : []
  })
}

function allowanceOf(balance: Balance, platform: bigint | null): Omit<Allowance, 'assistantId'> {
  const own = spendable(balance)
  const isPlatform = platform !== null && platform < own
  const least = isPlatform ? platform : own
  const remainingMicros = least < maxAllowanceMicros ? least : maxAllowanceMicros
  return { remainingMicros, bound: isPlatform ? 'platform' : boundOf(balance) }
}

export function boundOf({ remainingMicros, monthSpentMicros, monthlyCapMicros }: Balance): Bound {
  const isMonth = monthlyCapMicros !== null && monthlyCapMicros - monthSpentMicros < remainingMicros
  return isMonth ? 'month' : 'credit'
}

/** What all shared keys together may still cost today (UTC); null without a bound. */
async function platformRemaining({ db, settings }: Ctx, at: Date): Promise<bigint | null> {
  if (settings.platformDailyCapMicros === null) return null
  const since = new Date(at)
  since.setUTCHours(0, 0, 0, 0)
  const { _sum } = await db.usageEvent.aggregate({
    where: { calledAt: { gte: since }, ownKey: false },
    _sum: { costMicros: true },
  })
  const left = settings.platformDailyCapMicros - (_sum.costMicros ?? 0n)
  return left > 0n ? left : 0n
}
