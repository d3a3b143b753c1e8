import { type Context, Hono } from 'hono'
import { html } from 'hono/html'
import type Stripe from 'stripe'
import type { Env } from '../../faults.ts'
import { type Html, page } from '../../page/page.ts'
import type { Account } from '../account.ts'
import { StripeError } from '../api/errors.ts'
import { findCard } from '../cards.ts'
import { settle } from '../clock.ts'
import type { Invoice, Subscription } from '../objects.ts'
import { methodFor } from '../resources/collection.ts'
import { pay } from '../resources/invoice-routes.ts'
import { attach, createCard } from '../resources/payment-methods.ts'
import { periodOf } from '../resources/subscription-periods.ts'
import { update } from '../resources/subscription-routes.ts'
import { cardOptions } from './checkout.ts'
import { day, money } from './money.ts'

/** Stripe's customer portal, where a person cancels, takes that back, changes the card and pays what is open. */
export function portalPages(account: Account): Hono<Env> {
  const app = new Hono<Env>()

  app.get('/portal/:id', (c) => show(account, c))
  app.post('/portal/:id/cancel', (c) =>
    act(account, c, (_customer, subscription) => {
      // The portal of a subscription in flexible billing mode sets the date and not the flag.
      if (subscription) update(account, subscription, { cancel_at: 'min_period_end' })
    }),
  )
  app.post('/portal/:id/undo', (c) =>
    act(account, c, (_customer, subscription) => {
      if (subscription) update(account, subscription, { cancel_at: null })
    }),
  )
  app.post('/portal/:id/card', async (c) => {
    const card = findCard(String((await c.req.parseBody()).card ?? ''))
    return act(account, c, (customer, subscription) => {
      if (!card) return
      const method = attach(account, createCard(account, card), customer)
      const owner = account.objects.get('customer', customer)
      const invoice_settings = { ...owner.invoice_settings, default_payment_method: method.id }
      account.update('customer.updated', owner, { invoice_settings })
      if (subscription) update(account, subscription, { default_payment_method: method.id })
    })
  })
  app.post('/portal/:id/pay/:invoice', (c) =>
    act(account, c, (customer) => {
      const invoice = account.objects.get('invoice', c.req.param('invoice'))
      if (invoice.customer === customer) pay(account, invoice)
    }),
  )

  app.get('/invoice/:id', (c) => {
    const invoice = account.objects.find(c.req.param('id'))
    if (invoice?.object !== 'invoice')
      return c.html(page('Invoice', html`<h1>There is no such invoice.</h1>`), 404)
    return c.html(page('Invoice', invoicePage(invoice)))
  })
  app.post('/invoice/:id', async (c) => {
    const invoice = account.objects.find(c.req.param('id'))
    const card = findCard(String((await c.req.parseBody()).card ?? ''))
    if (invoice?.object !== 'invoice' || !card) return c.redirect(c.req.path, 303)
    const trouble = tried(() => {
      pay(account, invoice, attach(account, createCard(account, card), invoice.customer).id)
    })
    return trouble ? c.html(page('Invoice', invoicePage(invoice, trouble)), 402) : c.redirect(c.req.path, 303)
  })
  return app
}

function tried(work: () => void): string {
  try {
    work()
    return ''
  } catch (error) {
    if (!(error instanceof StripeError)) throw error
    return error.message
  }
}

function act(
  account: Account,
  c: Context<Env>,
  work: (customer: string, subscription?: Subscription) => void,
) {
  settle(account)
  const session = account.objects.find(c.req.param('id') ?? '')
  if (session?.object !== 'billing_portal.session') return show(account, c)
  const trouble = tried(() => work(session.customer, newest(account, session.customer)))
  if (trouble) return show(account, c, trouble)
  return c.redirect(session.flow?.after_completion.redirect?.return_url ?? pathOf(c), 303)
}

/** Of the session, whatever was asked of it. */
const pathOf = (c: Context<Env>) => c.req.path.replace(/(\/portal\/[^/]+).*/, '$1')

const newest = (account: Account, customer: string) =>
  account.objects.all('subscription').findLast((one) => one.customer === customer && one.ended_at === null)

function show(account: Account, c: Context<Env>, trouble = '') {
  settle(account)
  const id = c.req.param('id') ?? ''
  const session = account.objects.find(id)
  if (session?.object !== 'billing_portal.session')
    return c.html(page('Portal', html`<h1>There is no such session.</h1>`), 404)
  const { customer, return_url } = session
  const path = pathOf(c)
  // A flow shows nothing but what it is for.
  const shows = (part: string) => session.flow === null || session.flow.type === part
  const subscription = newest(account, customer)
  const method = methodFor(account, customer, subscription)
  const invoices = account.objects.all('invoice').filter((invoice) => invoice.customer === customer)
  const body = html`<h1>Your subscription</h1>
    ${trouble ? html`<p class="bad" role="alert">${trouble}</p>` : ''}
    ${shows('subscription_cancel') ? (subscription ? subscriptionPart(path, subscription) : html`<p>There is none.</p>`) : ''}
    ${shows('payment_method_update') ? cardPart(path, method) : ''}
    ${shows('invoices') ? html`<h2>Invoices</h2><ul>${invoices.reverse().map((invoice) => invoiceRow(path, invoice))}</ul>` : ''}
    ${return_url ? html`<a href="${return_url}">Back</a>` : ''}
    <small>Stands for billing.stripe.com. Nothing is charged.</small>`
  return c.html(page('Portal', body), trouble ? 402 : 200)
}

function subscriptionPart(path: string, subscription: Subscription): Html {
  const ends = subscription.cancel_at
  return html`<p>
      <span>${subscription.status}</span>
      <small>${ends ? `Ends on ${day(ends)}` : `Renews on ${day(periodOf(subscription).end)}`}</small>
    </p>
    <form method="post" action="${path}/${ends ? 'undo' : 'cancel'}">
      <button type="submit">${ends ? "Don't cancel subscription" : 'Cancel subscription'}</button>
    </form>`
}

function cardPart(path: string, method: Stripe.PaymentMethod | undefined): Html {
  return html`<h2>Card</h2>
    <p>${method?.card ? `${method.card.display_brand} ending in ${method.card.last4}` : 'There is none.'}</p>
    <form method="post" action="${path}/card">
      <label>New card<select name="card">${cardOptions}</select></label>
      <button type="submit">Update payment method</button>
    </form>`
}

function invoiceRow(path: string, invoice: Invoice): Html {
  return html`<li class="row">
    <span>${day(invoice.created)} · ${money(invoice.total, invoice.currency)} · ${invoice.status}</span>
    ${
      invoice.status === 'open'
        ? html`<form method="post" action="${path}/pay/${invoice.id}"><button type="submit">Pay</button></form>`
        : ''
    }
  </li>`
}

function invoicePage(invoice: Invoice, trouble = ''): Html {
  return html`<h1>Invoice ${invoice.number}</h1>
    <p>${money(invoice.total, invoice.currency)} · ${invoice.status}</p>
    ${trouble ? html`<p class="bad" role="alert">${trouble}</p>` : ''}
    ${
      invoice.status === 'open'
        ? html`<form method="post">
            <label>Card<select name="card">${cardOptions}</select></label>
            <button class="main" type="submit">Pay ${money(invoice.amount_remaining, invoice.currency)}</button>
          </form>`
        : ''
    }`
}
