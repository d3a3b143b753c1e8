import { Hono } from 'hono'
import type { Ctx } from '../../context.ts'
import { type Check, findProblems } from '../../services/operation/find-problems.ts'
import { readBacklog } from '../../services/operation/read-backlog.ts'

/** A database that hangs is as good as none; the status page itself gives up after three seconds. */
const lookDeadlineMs = 2_000

/** `/health`: the process lives. `/health/ready`: it can do its work, and if not, what is wrong (O2). */
export function healthRoutes(ctx: Ctx) {
  return new Hono()
    .get('/health', (c) => c.json({ status: 'live' }))
    .get('/health/ready', async (c) => {
      const checks = await look(ctx)
      const isDown = !checks.database.ok
      const isWell = Object.values(checks).every(({ ok }) => ok)
      return c.json({ status: isDown ? 'down' : isWell ? 'ready' : 'degraded', checks }, isDown ? 503 : 200)
    })
}

async function look(ctx: Ctx): Promise<{ database: Check } & Record<string, Check>> {
  const passed = Promise.withResolvers<never>()
  const deadline = setTimeout(() => passed.reject(new Error('deadline')), lookDeadlineMs)
  try {
    const backlog = await Promise.race([readBacklog({ ctx }), passed.promise])
    return { database: { ok: true }, ...findProblems(backlog) }
  } catch (error) {
    ctx.log.warn({ err: error }, 'the database did not answer a health check')
    return { database: { ok: false, detail: 'does not answer' } }
  } finally {
    clearTimeout(deadline)
  }
}
