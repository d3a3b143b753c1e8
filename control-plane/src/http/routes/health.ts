import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { type Check, findProblems } from '../../services/operation/find-problems.ts'
import { readBacklog } from '../../services/operation/read-backlog.ts'

/** A database that hangs is as good as none; the status page itself gives up after three seconds. */
const lookDeadlineMs = 2_000

const content = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const readiness = z
  .object({
    status: z.enum(['ready', 'degraded', 'down']),
    checks: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string().optional() })),
  })
  .openapi('Readiness')

const live = createRoute({
  method: 'get',
  path: '/health',
  tags: ['health'],
  security: [],
  summary: 'The process lives',
  responses: { 200: content(z.object({ status: z.literal('live') }), 'It does') },
})
const ready = createRoute({
  method: 'get',
  path: '/health/ready',
  tags: ['health'],
  security: [],
  summary: 'Whether the service can do its work, and what is wrong if not',
  responses: {
    200: content(readiness, 'It can, or can in part: `degraded`'),
    503: content(readiness, 'It cannot: `down`'),
  },
})

/** `/health`: the process lives. `/health/ready`: it can do its work, and if not, what is wrong (O2). */
export function healthRoutes(ctx: Ctx) {
  return new OpenAPIHono()
    .openapi(live, (c) => c.json({ status: 'live' as const }, 200))
    .openapi(ready, async (c) => {
      const checks = await look(ctx)
      const isDown = !checks.database.ok
      const isWell = Object.values(checks).every(({ ok }) => ok)
      if (isDown) return c.json({ status: 'down' as const, checks }, 503)
      return c.json({ status: isWell ? ('ready' as const) : ('degraded' as const), checks }, 200)
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
