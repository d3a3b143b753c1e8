import type { Account } from '../account.ts'
import type { Invoice, Subscription } from '../objects.ts'
import { collect, endSubscription, methodFor } from './collection.ts'
import { periodLine } from './invoice-lines.ts'
import { finalizeInvoice, subscriptionOf, voidInvoice } from './invoice-states.ts'
import { draftInvoice } from './invoices.ts'
import { nextPeriodEnd } from './periods.ts'

/** A draft for one period of every item; it becomes the latest invoice, without an event of its own. */
export function billPeriod(
  account: Account,
  subscription: Subscription,
  reason: 'subscription_create' | 'subscription_cycle' | 'subscription_update',
  period: { start: number; end: number },
  about?: { start: number; end: number },
): Invoice {
  const isTrial = subscription.status === 'trialing'
  const lines = subscription.items.data.map(({ id, price, quantity }) => {
    const { name } = account.objects.get('product', String(price.product))
    return periodLine(subscription, { id, price, quantity: quantity ?? 1, name }, period, isTrial)
  })
  const { customer, currency } = subscription
  const invoice = draftInvoice(account, {
    customer,
    currency,
    lines,
    reason,
    subscription,
    ...(about ? { period: about } : {}),
  })
  subscription.latest_invoice = invoice.id
  return invoice
}

/** Where all of a subscription's items stand: it has one interval here. */
export function periodOf(subscription: Subscription): { start: number; end: number } {
  const [item] = subscription.items.data
  return { start: item?.current_period_start ?? 0, end: item?.current_period_end ?? 0 }
}

/** The next period begins now: at its time, or early with a new anchor. Returns the draft that bills it. */
export function renew(
  account: Account,
  subscription: Subscription,
  reason: 'subscription_cycle' | 'subscription_update' = 'subscription_cycle',
): Invoice {
  const now = account.nowS()
  const past = periodOf(subscription)
  const [item] = subscription.items.data
  if (!item) throw new Error('a subscription has an item')
  const isEarly = now < past.end
  const anchor = isEarly ? now : subscription.billing_cycle_anchor
  const period = { start: now, end: nextPeriodEnd(anchor, item.price, now) }
  account.change('customer.subscription.updated', subscription, () => {
    if (subscription.status === 'trialing') subscription.status = 'active'
    if (isEarly && subscription.trial_end !== null) subscription.trial_end = now
    if (subscription.cancel_at_period_end) subscription.cancel_at = period.end
    subscription.billing_cycle_anchor = anchor
    for (const each of subscription.items.data) {
      Object.assign(each, { current_period_start: period.start, current_period_end: period.end })
    }
    billPeriod(account, subscription, reason, period, { start: past.start, end: now })
  })
  return account.objects.get('invoice', String(subscription.latest_invoice))
}

/** Renews at once, and collects at once what a renewal by the clock collects an hour later. */
export function renewAndCollect(account: Account, subscription: Subscription): void {
  const invoice = renew(account, subscription, 'subscription_update')
  invoice.auto_advance = true
  finalizeInvoice(account, invoice)
  if (invoice.status === 'open') collect(account, invoice)
}

/** trialing → active, or what was wished for a trial that ends without a card. */
export function endTrial(account: Account, subscription: Subscription, isEarly: boolean): void {
  const wish = subscription.trial_settings?.end_behavior.missing_payment_method
  const hasCard = methodFor(account, subscription.customer, subscription) !== undefined
  if (!hasCard && wish === 'cancel') endSubscription(account, subscription, 'payment_failed')
  else if (!hasCard && wish === 'pause') {
    const trial_end = Math.min(account.nowS(), subscription.trial_end ?? Infinity)
    account.update('customer.subscription.updated', subscription, { status: 'paused', trial_end })
    account.emit('customer.subscription.paused', subscription)
  } else if (isEarly) renewAndCollect(account, subscription)
  else renew(account, subscription)
}

/** incomplete → incomplete_expired: nobody paid the first invoice in time. */
export function expireIncomplete(account: Account, subscription: Subscription): void {
  for (const invoice of account.objects.all('invoice')) {
    if (invoice.status === 'open' && subscriptionOf(account, invoice) === subscription)
      voidInvoice(account, invoice)
  }
  const ended_at = account.nowS()
  account.update('customer.subscription.updated', subscription, { status: 'incomplete_expired', ended_at })
}
