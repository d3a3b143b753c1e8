import { Hono } from 'hono'
import { html } from 'hono/html'
import type { Env } from '../../faults.ts'
import { type Html, page } from '../../page/page.ts'
import type { Account } from '../account.ts'
import { StripeError } from '../api/errors.ts'
import { findCard, testCards } from '../cards.ts'
import { settle } from '../clock.ts'
import type { Session } from '../objects.ts'
import { completeSession } from '../resources/checkout-complete.ts'
import { trialDaysOf } from '../resources/checkout-session.ts'
import { findPromotionCode } from '../resources/discounts.ts'
import { money } from './money.ts'

/** Stripe's hosted page of a checkout session: pay with a test card, be refused, go back, or leave. */
export function checkoutPages(account: Account): Hono<Env> {
  const app = new Hono<Env>()

  app.get('/checkout/:id', (c) => {
    settle(account)
    const session = find(account, c.req.param('id'))
    if (!session) return c.html(nothing('There is no such checkout.'), 404)
    if (session.status !== 'open') return c.html(nothing(`This checkout is ${session.status}.`), 410)
    return c.html(form(account, session))
  })

  app.post('/checkout/:id', async (c) => {
    settle(account)
    const session = find(account, c.req.param('id'))
    if (session?.status !== 'open') return c.html(nothing('This checkout is over.'), 410)
    const sent = await c.req.parseBody()
    const typed = String(sent.promotionCode ?? '').trim()
    const code = typed === '' ? undefined : findPromotionCode(account, typed)
    if (typed !== '' && !code) return c.html(form(account, session, 'This code is invalid.'), 422)
    const card = findCard(String(sent.card ?? ''))
    if (!card) return c.html(form(account, session, 'Your card number is invalid.'), 422)
    try {
      const email = String(sent.email ?? '').trim()
      const name = String(sent.name ?? '').trim()
      const payer = { ...(email ? { email } : {}), ...(name ? { name } : {}), promotionCode: code?.id }
      completeSession(account, session, card, payer)
    } catch (error) {
      if (!(error instanceof StripeError)) throw error
      return c.html(form(account, session, error.message), 402)
    }
    return c.redirect(String(session.success_url).replaceAll('{CHECKOUT_SESSION_ID}', session.id), 303)
  })
  return app
}

function find(account: Account, id: string): Session | undefined {
  const found = account.objects.find(id)
  return found?.object === 'checkout.session' ? found : undefined
}

const nothing = (text: string) => page('Checkout', html`<h1>${text}</h1>`)

export const cardOptions = testCards.map(
  ({ number, label }) =>
    html`<option value="${number}">${number.replace(/(.{4})(?=.)/g, '$1 ')} · ${label}</option>`,
)

function form(account: Account, session: Session, trouble = ''): Html {
  const [item] = session.line_items?.data ?? []
  const currency = session.currency ?? 'usd'
  const each = money(item?.price.unit_amount ?? 0, currency)
  const interval = item?.price.recurring?.interval
  const trialDays = trialDaysOf(session)
  const customer = session.customer ? account.objects.get('customer', String(session.customer)) : undefined
  const email = customer?.email ?? session.customer_email ?? ''
  return page(
    'Checkout',
    html`<h1>${item?.description}</h1>
      <p>
        ${trialDays === undefined ? each : `${trialDays} days free`}
        <small>${interval ? `${trialDays === undefined ? '' : 'then '}${each} per ${interval}` : ''}</small>
      </p>
      <form method="post">
        <label>E-mail<input name="email" type="email" required value="${email}" ${customer?.email ? 'readonly' : ''} /></label>
        <label>Name on card<input name="name" autocomplete="off" /></label>
        <label>Card<select name="card">${cardOptions}</select></label>
        ${
          session.allow_promotion_codes
            ? html`<label>Promotion code<input name="promotionCode" autocomplete="off" /></label>`
            : ''
        }
        ${trouble ? html`<p class="bad" role="alert">${trouble}</p>` : ''}
        <button class="main" type="submit">
          ${trialDays !== undefined ? 'Start trial' : session.mode === 'subscription' ? 'Subscribe' : `Pay ${each}`}
        </button>
      </form>
      ${session.cancel_url ? html`<a href="${session.cancel_url}">Back without paying</a>` : ''}
      <small>Stands for checkout.stripe.com. Nothing is charged.</small>`,
  )
}
