import { type Context, Hono } from 'hono'
import type { Env } from '../faults.ts'
import type { Account } from './account.ts'
import { approvalResource, type Content, contentResource } from './contents.ts'
import { notFound } from './errors.ts'

/** content.twilio.com. */
export function contentRoutes(account: Account, baseOf: (c: Context<Env>) => string): Hono<Env> {
  const app = new Hono<Env>()
  const { accountSid, contents } = account
  const shown = (c: Context<Env>, content: Content) => contentResource(content, accountSid, baseOf(c))
  const contentAt = (c: Context<Env>): Content => {
    const content = contents.find(c.req.param('sid') ?? '')
    if (!content) throw notFound(c.req.path)
    return content
  }
  app.post('/v1/Content', async (c) => {
    const body: unknown = await c.req.json().catch(() => null)
    return c.json(shown(c, contents.create(body)), 201)
  })
  for (const version of ['v1', 'v2'])
    app.get(`/${version}/Content`, (c) => {
      // Only the second version has a filter.
      const name = version === 'v2' ? c.req.query('ContentName') : undefined
      const listed = contents.list(name).map((content) => shown(c, content))
      return c.json({ contents: listed, meta: metaOf(c, 'contents') })
    })
  app.get('/v1/Content/:sid', (c) => c.json(shown(c, contentAt(c))))
  app.delete('/v1/Content/:sid', (c) => {
    if (!contents.remove(c.req.param('sid'))) throw notFound(c.req.path)
    return c.body(null, 204)
  })
  app.get('/v1/Content/:sid/ApprovalRequests', (c) =>
    c.json(approvalResource(contentAt(c), accountSid, baseOf(c))),
  )
  return app
}

/** The only page of a list. */
export function metaOf(c: Context<Env>, key: string): object {
  const { url } = c.req
  return {
    key,
    page: 0,
    page_size: 50,
    url,
    first_page_url: url,
    next_page_url: null,
    previous_page_url: null,
  }
}
