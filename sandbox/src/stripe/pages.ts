import { Hono } from 'hono'
import type { Env } from '../faults.ts'
import type { Account } from './account.ts'
import { checkoutPages } from './checkout-page.ts'
import { pagesOf } from './http.ts'
import { overviewPage } from './overview-page.ts'
import { portalPages } from './portal-page.ts'

/** Everything of Stripe that a person sees in a browser. */
export function stripePages(account: Account): Hono<Env> {
  const app = new Hono<Env>()
  app.use('*', async (c, next) => {
    account.pages = pagesOf(c)
    await next()
  })
  app.route('/', overviewPage(account))
  app.route('/', checkoutPages(account))
  app.route('/', portalPages(account))
  return app
}
