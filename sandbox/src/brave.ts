import { Hono } from 'hono'
import type { Env } from './faults.ts'

/** Web search as Brave answers it (https://api-dashboard.search.brave.com/app/documentation/web-search). */
export function braveRoutes(): Hono<Env> {
  const app = new Hono<Env>()
  app.get('/res/v1/web/search', (c) => {
    const key = c.req.header('x-subscription-token') ?? ''
    if (key === '' || /invalid|^yc-/i.test(key)) {
      const error = {
        id: 'sandbox',
        status: 422,
        code: 'SUBSCRIPTION_TOKEN_INVALID',
        detail: 'Invalid token',
      }
      return c.json({ type: 'ErrorResponse', error }, 422)
    }
    const q = c.req.query('q') ?? ''
    const url = `https://example.com/search?q=${encodeURIComponent(q)}`
    const results = [
      { type: 'search_result', title: `About ${q}`, url, description: `What there is on ${q}.` },
    ]
    return c.json({ type: 'search', query: { original: q }, web: { type: 'search', results } })
  })
  return app
}
