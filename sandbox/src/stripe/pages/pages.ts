import { Hono } from 'hono'
import type { Env } from '../../faults.ts'
import type { Account } from '../account.ts'
import { pagesOf } from '../api/route.ts'
import { settle } from '../clock.ts'
import { checkoutPages } from './checkout.ts'
import { overviewPage } from './overview.ts'
import { portalPages } from './portal.ts'

/** Everything of Stripe that a person sees in a browser. */
export function stripePages(account: Account): Hono<Env> {
  const app = new Hono<Env>()
  app.use('*', async (c, next) => {
    account.pages = pagesOf(c)
    await next()
    settle(account)
  })
  app.route('/', overviewPage(account))
  app.route('/', checkoutPages(account))
  app.route('/', portalPages(account))
  return app
}
