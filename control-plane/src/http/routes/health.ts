import { Hono } from 'hono'
import type { Ctx } from '../../context.ts'

type Check = { ok: boolean; detail?: string }

/** `/health`: the process lives. `/health/ready`: it can do its work, and if not, what is wrong (O2). */
export function healthRoutes(ctx: Ctx) {
  return new Hono()
    .get('/health', (c) => c.json({ status: 'live' }))
    .get('/health/ready', async (c) => {
      const database = await check(async () => {
        await ctx.db.$queryRaw`SELECT 1`
        return undefined
      })
      const checks = database.ok ? { database, ...(await workChecks(ctx)) } : { database }
      const status = !database.ok
        ? 'down'
        : Object.values(checks).every((one) => one.ok)
          ? 'ready'
          : 'degraded'
      return c.json({ status, checks }, status === 'down' ? 503 : 200)
    })
}

const oldestTurnLimitMs = 120_000

async function workChecks(ctx: Ctx): Promise<{ queue: Check; hosts: Check }> {
  const [queue, hosts] = await Promise.all([
    check(async () => {
      const oldest = await ctx.db.turn.findFirst({
        where: { finishedAt: null },
        orderBy: { createdAt: 'asc' },
      })
      const ageMs = oldest === null ? 0 : ctx.clock.now() - oldest.createdAt.getTime()
      return ageMs > oldestTurnLimitMs
        ? `the oldest open turn has waited ${Math.round(ageMs / 1000)} s`
        : undefined
    }),
    check(async () => {
      const connected = await ctx.db.hostSession.count({
        where: { leaseExpiresAt: { gt: new Date(ctx.clock.now()) } },
      })
      return connected === 0 ? 'no host is connected' : undefined
    }),
  ])
  return { queue, hosts }
}

/** Runs a check that returns what is wrong, if anything. */
async function check(run: () => Promise<string | undefined>): Promise<Check> {
  try {
    const detail = await run()
    return detail === undefined ? { ok: true } : { ok: false, detail }
  } catch {
    return { ok: false, detail: 'unreachable' }
  }
}
