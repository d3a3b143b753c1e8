import { Hono } from 'hono'
import { html } from 'hono/html'
import type { Env } from '../../faults.ts'
import { page, places } from '../../page/page.ts'
import { BadInput } from '../../sim/input.ts'
import type { Account } from '../account.ts'
import { advance, settle } from '../clock.ts'
import { periodOf } from '../resources/subscription-periods.ts'
import { clockInput, failPayment } from '../sim.ts'
import { day, money } from './money.ts'

const steps = { 'An hour': 3_600, 'A day': 86_400, 'A week': 604_800, 'A month': 31 * 86_400 }

/** What a person needs of Stripe's dashboard: open checkouts, subscriptions, events, and time. */
export function overviewPage(account: Account): Hono<Env> {
  const app = new Hono<Env>()
  app.get('/', (c) => {
    settle(account)
    const { objects } = account
    const sessions = objects.all('checkout.session').filter(({ status }) => status === 'open')
    const now = new Date(account.nowS() * 1000).toISOString().slice(0, 16).replace('T', ' ')
    const body = html`${places}
      <h1>Payments</h1>
      <div class="row">
        <span>Stripe’s clock: <time>${now}</time> UTC</span>
        <form class="row" method="post" action="/stripe/clock">
          ${Object.entries(steps).map(
            ([label, seconds]) =>
              html`<button name="advanceSeconds" value="${seconds}">${label} later</button>`,
          )}
        </form>
      </div>
      <h2>Open checkouts</h2>
      <ul>
        ${sessions.map(({ url, id }) => html`<li><a href="${url}">${id.slice(0, 20)}…</a></li>`)}
      </ul>
      <h2>Subscriptions</h2>
      <ul>
        ${objects
          .all('subscription')
          .reverse()
          .map((one) => {
            const [item] = one.items.data
            const email = objects.get('customer', one.customer).email ?? one.customer
            const price = money((item?.price.unit_amount ?? 0) * (item?.quantity ?? 1), one.currency)
            const until = one.cancel_at ? `ends ${day(one.cancel_at)}` : `until ${day(periodOf(one).end)}`
            return html`<li class="row">
              <span>${email} · ${one.status} · ${price} · ${until}<small>${one.id}</small></span>
              ${
                one.ended_at === null
                  ? html`<form method="post" action="/stripe/fail/${one.id}"><button>Let the payment fail</button></form>`
                  : ''
              }
            </li>`
          })}
      </ul>
      <h2>Events</h2>
      <ul>
        ${objects
          .all('event')
          .slice(-25)
          .reverse()
          .map(({ type, id, pending_webhooks }) => {
            return html`<li>${type} <small>${id}${pending_webhooks > 0 ? ' · not yet delivered' : ''}</small></li>`
          })}
      </ul>`
    return c.html(page('Payments', body, { wide: true }))
  })
  app.post('/clock', async (c) => {
    const asked = clockInput.safeParse(await c.req.parseBody())
    if (asked.success) advance(account, asked.data.advanceSeconds)
    return c.redirect('/stripe', 303)
  })
  app.post('/fail/:id', (c) => {
    try {
      failPayment(account, c.req.param('id'))
    } catch (error) {
      if (!(error instanceof BadInput)) throw error
    }
    return c.redirect('/stripe', 303)
  })
  return app
}
