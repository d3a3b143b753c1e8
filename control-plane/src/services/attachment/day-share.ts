import { Prisma } from '@yourclaw/db'
import { type Ctx, inTransaction } from '../../context.ts'
import { plan } from '../../plan.ts'
import { userDay } from '../conversation/limits.ts'
import { mebibyte } from './limits.ts'

/** What a person has in their own day, each with its column of `usage_daily`: bytes in and out, seconds that are heard. */
const shares = {
  in: { column: Prisma.raw('inbound_bytes'), most: plan.fileMegabytesInPerDay * mebibyte },
  out: { column: Prisma.raw('outbound_bytes'), most: plan.fileMegabytesOutPerDay * mebibyte },
  heard: { column: Prisma.raw('heard_seconds'), most: plan.listenedMinutesPerDay * 60 },
} as const

export interface TakenShare {
  /** As much of what was wanted as the day has left. */
  granted: number
  /** When there is more. */
  resetsAt: Date
  timeZone: string
  /** What was used after all, perhaps more; the rest is given back. Once. */
  settle(used: number): Promise<void>
}

/**
 * Takes a share of the person's day before anything is fetched, stored or heard, so that what runs at once counts each
 * other. Of one that is never settled, as its process died, all stays counted.
 */
export async function takeShare({
  ctx,
  input,
}: {
  ctx: Pick<Ctx, 'db' | 'clock'>
  input: { userId: string; share: keyof typeof shares; wanted: number }
}): Promise<TakenShare> {
  const { userId, wanted } = input
  const { column, most } = shares[input.share]
  const { granted, day } = await inTransaction(ctx, async (tx) => {
    const today = await userDay(tx, userId, new Date(ctx.clock.now()))
    await tx.$executeRaw`
      INSERT INTO usage_daily (user_id, date) VALUES (${userId}::uuid, ${today.date}::date) ON CONFLICT DO NOTHING`
    const [row] = await tx.$queryRaw<{ used: bigint | number }[]>`
      SELECT ${column} AS used FROM usage_daily
      WHERE user_id = ${userId}::uuid AND date = ${today.date}::date FOR UPDATE`
    const left = Math.max(0, most - Number(row?.used ?? 0))
    const given = Math.min(left, wanted)
    await add(tx, today.date, given)
    return { granted: given, day: today }
  })

  function add(db: Pick<Ctx['db'], '$executeRaw'>, date: string, amount: number) {
    return db.$executeRaw`
      UPDATE usage_daily SET ${column} = ${column} + ${amount} WHERE user_id = ${userId}::uuid AND date = ${date}::date`
  }
  return {
    granted,
    resetsAt: day.endsAt,
    timeZone: day.timeZone,
    async settle(used) {
      if (used !== granted) await add(ctx.db, day.date, used - granted)
    },
  }
}
