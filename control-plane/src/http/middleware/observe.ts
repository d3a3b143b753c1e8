import { traceIdOf, traceParentFrom } from '@yourclaw/telemetry'
import { createMiddleware } from 'hono/factory'
import { routePath } from 'hono/route'
import type { Ctx } from '../../context.ts'

declare module 'hono' {
  interface ContextVariableMap {
    /** W3C traceparent of the request; made here when the caller sent none. */
    traceParent: string
  }
}

/** One wide log line a request. The route's pattern, not its path, so that no id or address gets in (S8). */
export function observe(ctx: Ctx) {
  return createMiddleware(async (c, next) => {
    const startedMs = ctx.clock.now()
    const traceParent = traceParentFrom(c.req.header('traceparent'))
    c.set('traceParent', traceParent)
    await next()
    const route = routePath(c, -1)
    const level = route.includes('/health') ? 'debug' : 'info'
    ctx.log[level](
      {
        method: c.req.method,
        route,
        status: c.res.status,
        durationMs: ctx.clock.now() - startedMs,
        requestId: c.get('requestId'),
        traceId: traceIdOf(traceParent),
      },
      'request',
    )
  })
}
