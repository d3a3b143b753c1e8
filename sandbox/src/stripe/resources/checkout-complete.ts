import type { Account } from '../account.ts'
import { invalid } from '../api/errors.ts'
import { merged } from '../api/route.ts'
import type { TestCard } from '../cards.ts'
import type { Session } from '../objects.ts'
import { isTrial, wishes } from './checkout-session.ts'
import { createCustomer } from './customers.ts'
import { attach, cardOf, createCard, declined } from './payment-methods.ts'
import { charge, createIntent } from './payments.ts'
import { createSubscription, trialEndOf } from './subscriptions.ts'
export interface Payer {
  email?: string | undefined
  name?: string | undefined
  promotionCode?: string | undefined
}

/**
 * open → complete: what happens when the person presses the button of the hosted page.
 * @throws StripeError card_error, and the session stays open
 */
export function completeSession(account: Account, session: Session, card: TestCard, payer: Payer): Session {
  if (session.status !== 'open') throw invalid('This Checkout Session is no longer open.')
  const isFree = session.mode === 'subscription' && isTrial(session)
  if (card.decline && (card.refusedAtOnce || !isFree)) throw declined(card.decline)
  const email = payer.email ?? session.customer_email ?? undefined
  const details = { ...(email ? { email } : {}), ...(payer.name ? { name: payer.name } : {}) }
  const customer = session.customer
    ? account.objects.get('customer', String(session.customer))
    : createCustomer(account, details)
  const method = attach(account, createCard(account, card, details), customer.id)
  session.customer = customer.id
  if (session.mode === 'subscription') subscribe(account, session, method.id, payer)
  else payOnce(account, session, method.id)
  Object.assign(session, {
    status: 'complete',
    payment_status: isFree ? 'no_payment_required' : 'paid',
    url: null,
    customer_details: {
      address: null,
      business_name: null,
      email: customer.email ?? email ?? null,
      individual_name: null,
      name: customer.name ?? payer.name ?? null,
      phone: null,
      tax_exempt: 'none',
      tax_ids: [],
    },
  })
  account.emit('checkout.session.completed', shown(session))
  return session
}

function subscribe(account: Account, session: Session, method: string, payer: Payer): void {
  const wish = wishes.get(session)
  const typed = payer.promotionCode === undefined ? [] : [{ promotion_code: payer.promotionCode }]
  const items = session.line_items?.data ?? []
  const subscription = createSubscription(account, {
    customer: String(session.customer),
    items: items.map(({ price, quantity }) => ({ price, quantity: quantity ?? 1 })),
    trialEnd: trialEndOf(account, wish?.data ?? {}),
    method,
    metadata: merged({}, wish?.data?.metadata),
    description: wish?.data?.description,
    trialSettings: wish?.data?.trial_settings,
    discounts: [...(wish?.discounts ?? []), ...typed],
    session: session.id,
  })
  const invoice = account.objects.get('invoice', String(subscription.latest_invoice))
  const discount = (invoice.total_discount_amounts ?? []).reduce((sum, { amount }) => sum + amount, 0)
  Object.assign(session, {
    subscription: subscription.id,
    invoice: invoice.id,
    amount_subtotal: invoice.subtotal,
    amount_total: invoice.total,
    total_details: { amount_discount: discount, amount_shipping: 0, amount_tax: 0 },
  })
}

function payOnce(account: Account, session: Session, method: string): void {
  const amount = session.amount_total ?? 0
  const intent = createIntent(account, {
    amount,
    currency: session.currency ?? 'usd',
    customer: String(session.customer),
    description: wishes.get(session)?.payment?.description ?? null,
    metadata: merged({}, wishes.get(session)?.payment?.metadata),
  })
  const paying = account.objects.get('payment_method', method)
  const decline = charge(account, intent, paying)
  if (decline) throw declined(cardOf(account, method).decline ?? decline)
  session.payment_intent = intent.id
}

/** open → expired */
export function expireSession(account: Account, session: Session): Session {
  Object.assign(session, { status: 'expired', url: null })
  account.emit('checkout.session.expired', shown(session))
  return session
}

/** As events and answers show it: without the line items, which have to be asked for. */
function shown(session: Session): Session {
  const { line_items: _, ...rest } = session
  return rest as Session
}
