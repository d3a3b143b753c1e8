import type Stripe from 'stripe'
import type { Account } from '../account.ts'
import type { TestCard } from '../cards.ts'
import type { Invoice, Subscription } from '../objects.ts'
import { markPaid, paymentOf, subscriptionOf } from './invoice-states.ts'
import { charge } from './payments.ts'
import { dayS } from './periods.ts'

const noMethod: NonNullable<TestCard['decline']> = {
  code: 'missing',
  message: 'Cannot charge a customer that has no active card',
}

/** Whose card pays: the subscription's own, else the customer's. */
export function methodFor(
  account: Account,
  customer: string,
  subscription?: Subscription,
): Stripe.PaymentMethod | undefined {
  const { invoice_settings } = account.objects.get('customer', customer)
  const id = subscription?.default_payment_method ?? invoice_settings.default_payment_method
  return id ? account.objects.get('payment_method', String(id)) : undefined
}

/**
 * Tries to pay an open invoice, and moves its subscription: paid → active; failed → incomplete stays, else past_due,
 * and after the last retry what the account's dunning says. Returns why it was declined.
 */
export function collect(
  account: Account,
  invoice: Invoice,
  chosen?: Stripe.PaymentMethod,
): TestCard['decline'] {
  const subscription = subscriptionOf(account, invoice)
  const method = chosen ?? methodFor(account, invoice.customer, subscription)
  const payment = paymentOf(account, invoice)
  const intent = account.objects.get('payment_intent', String(payment?.payment.payment_intent))
  invoice.attempted = true
  invoice.attempt_count += 1
  const decline = method ? charge(account, intent, method) : noMethod
  if (!decline) {
    markPaid(account, invoice)
    if (subscription) paid(account, subscription, invoice)
    return undefined
  }
  const retryDays = account.dunning.retryDays[invoice.attempt_count - 1]
  const isRetried = invoice.auto_advance && retryDays !== undefined
  invoice.next_payment_attempt = isRetried ? account.nowS() + retryDays * dayS : null
  if (decline.code === 'authentication_required') account.emit('invoice.payment_action_required', invoice)
  account.emit('invoice.payment_failed', invoice)
  if (subscription) failed(account, subscription, invoice)
  return decline
}

function paid(account: Account, subscription: Subscription, invoice: Invoice): void {
  const isRepaired = ['incomplete', 'past_due', 'unpaid'].includes(subscription.status)
  if (isRepaired && subscription.latest_invoice === invoice.id) {
    account.update('customer.subscription.updated', subscription, { status: 'active' })
  }
}

function failed(account: Account, subscription: Subscription, invoice: Invoice): void {
  if (subscription.status !== 'active' && subscription.status !== 'past_due') return
  const isLast = invoice.next_payment_attempt === null && invoice.auto_advance
  if (!isLast || account.dunning.outcome === 'past_due') {
    account.update('customer.subscription.updated', subscription, { status: 'past_due' })
  } else if (account.dunning.outcome === 'unpaid') {
    account.update('customer.subscription.updated', subscription, { status: 'unpaid' })
  } else endSubscription(account, subscription, 'payment_failed')
  if (isLast) invoice.auto_advance = false
}

type Reason = NonNullable<Stripe.Subscription.CancellationDetails['reason']>

/** any → canceled, and nothing more is collected for it. */
export function endSubscription(account: Account, subscription: Subscription, reason: Reason): void {
  const now = account.nowS()
  for (const invoice of account.objects.all('invoice')) {
    const isOpen = invoice.status === 'draft' || invoice.status === 'open'
    if (!isOpen || subscriptionOf(account, invoice) !== subscription) continue
    Object.assign(invoice, {
      auto_advance: false,
      next_payment_attempt: null,
      automatically_finalizes_at: null,
    })
  }
  Object.assign(subscription, {
    status: 'canceled',
    canceled_at: subscription.canceled_at ?? now,
    ended_at: now,
    cancellation_details: { ...subscription.cancellation_details, reason },
  })
  account.emit('customer.subscription.deleted', subscription)
}
