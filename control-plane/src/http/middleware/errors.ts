import type { ErrorHandler, NotFoundHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { routePath } from 'hono/route'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Logger } from 'pino'
import { ServiceError } from '../../errors.ts'

/** The one place where errors become `{ detail, code }` (O3). Causes are logged, never sent. */
export function errorHandler(log: Logger): ErrorHandler {
  return (error, c) => {
    if (error instanceof ServiceError) {
      if (error.status >= 500) log.error({ code: error.code, err: error.cause }, 'request failed')
      if (error.retryAfterMs !== undefined)
        c.header('retry-after', String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))))
      return c.json({ detail: error.detail, code: error.code }, error.status as ContentfulStatusCode)
    }
    if (error instanceof HTTPException) {
      return c.json(
        { detail: error.message || 'The request was refused.', code: 'bad_request' },
        error.status,
      )
    }
    log.error({ err: error, method: c.req.method, route: routePath(c, -1) }, 'request failed')
    return c.json({ detail: 'Something went wrong on our side.', code: 'internal' }, 500)
  }
}

export const notFoundHandler: NotFoundHandler = (c) =>
  c.json({ detail: 'There is nothing at this address.', code: 'not_found' }, 404)
