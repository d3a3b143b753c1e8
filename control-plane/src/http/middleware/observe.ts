import { type Tracing, traceIdOf, traceParentFrom } from '@yourclaw/telemetry'
import { createMiddleware } from 'hono/factory'
import { routePath } from 'hono/route'
import type { Ctx } from '../../context.ts'
import type { Metrics } from '../../observability/metrics.ts'

declare module 'hono' {
  interface ContextVariableMap {
    /** W3C traceparent of the request; made here when the caller sent none. */
    traceParent: string
  }
}

/** Node's parser knows some forty methods; these are the ones that routes have. */
const methods = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'])

/**
 * One wide log line, one figure and one span a request. The route's pattern, not its path, so that no id or address
 * gets in (S8).
 */
export function observe(deps: { ctx: Ctx; metrics: Metrics; tracing: Tracing }) {
  const { ctx, metrics, tracing } = deps
  return createMiddleware(async (c, next) => {
    const startedMs = ctx.clock.now()
    const method = methods.has(c.req.method) ? c.req.method : 'other'
    const isProbe = c.req.path.includes('/health')
    const parent = c.req.header('traceparent')
    const span = isProbe ? undefined : tracing.start(method, { parent, kind: 'server' })
    c.set('traceParent', span?.traceParent ?? traceParentFrom(parent))
    await next()
    const route = routePath(c, -1)
    const { status } = c.res
    const durationMs = ctx.clock.now() - startedMs
    metrics.requestSeconds.observe({ method, route, status }, durationMs / 1000)
    span?.end({
      name: `${method} ${route}`,
      attributes: { 'http.request.method': method, 'http.route': route, 'http.response.status_code': status },
      ...(status >= 500 && { errorCode: String(status) }),
    })
    ctx.log[isProbe ? 'debug' : 'info'](
      {
        method: c.req.method,
        route,
        status,
        durationMs,
        requestId: c.get('requestId'),
        traceId: traceIdOf(c.get('traceParent')),
      },
      'request',
    )
  })
}
