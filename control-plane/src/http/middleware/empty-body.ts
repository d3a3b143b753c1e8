import { createMiddleware } from 'hono/factory'

/** Clients announce JSON and send nothing where a POST needs nothing: that is no broken JSON. */
export function emptyBody() {
  return createMiddleware(async (c, next) => {
    const isPost = c.req.method === 'POST'
    const isJson = isPost && c.req.header('content-type')?.startsWith('application/json') === true
    // Read once: what comes later reads the same text.
    if (isJson && (await c.req.text()) === '') c.req.raw.headers.delete('content-type')
    await next()
  })
}
