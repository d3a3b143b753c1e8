import { Hono } from 'hono'
import type { Env } from './faults.ts'

const about = (q: string) => ({
  title: `About ${q}`,
  url: `https://example.com/search?q=${encodeURIComponent(q)}`,
  said: `What there is on ${q}.`,
})

/** Web search as SearXNG answers it, which needs no key (https://docs.searxng.org/dev/search_api.html). */
export function searxngRoutes(): Hono<Env> {
  const app = new Hono<Env>()
  app.get('/search', (c) => {
    // It answers with a page unless it is asked, and lets JSON out only where its settings allow it.
    if (c.req.query('format') !== 'json') return c.html('<!doctype html><title>SearXNG</title>')
    const query = c.req.query('q') ?? ''
    const { title, url, said } = about(query)
    return c.json({
      query,
      number_of_results: 1,
      results: [{ title, url, content: said, engine: 'sandbox' }],
    })
  })
  return app
}

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
    const { title, url, said } = about(q)
    const results = [{ type: 'search_result', title, url, description: said }]
    return c.json({ type: 'search', query: { original: q }, web: { type: 'search', results } })
  })
  return app
}
