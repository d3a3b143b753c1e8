import type { Account } from './account.ts'
import type { Invoice, Subscription } from './objects.ts'
import { expireSession } from './resources/checkout-complete.ts'
import { collect, endSubscription } from './resources/collection.ts'
import { finalizeInvoice } from './resources/invoice-states.ts'
import { dayS, hourS } from './resources/periods.ts'
import { endTrial, expireIncomplete, periodOf, renew } from './resources/subscription-periods.ts'

interface Due {
  atS: number
  run(): void
}

/** The first invoice of a subscription must be paid within this. */
const incompleteS = 23 * hourS
const trialNoticeS = 3 * dayS

/** Moves the account's clock on and lets everything happen that falls due on the way, each at its own time. */
export function advance(account: Account, seconds: number): void {
  account.advance(seconds)
  settle(account)
}

/** Brings the account up to its clock. */
export function settle(account: Account): void {
  const untilS = account.nowS()
  for (;;) {
    const next = duties(account)
      .filter(({ atS }) => atS <= untilS)
      .reduce<Due | undefined>((first, due) => (first && first.atS <= due.atS ? first : due), undefined)
    if (!next) return
    account.at(next.atS, next.run)
  }
}

function duties(account: Account): Due[] {
  const { objects } = account
  return [
    ...objects.all('subscription').flatMap((subscription) => ofSubscription(account, subscription)),
    ...objects.all('invoice').flatMap((invoice) => ofInvoice(account, invoice)),
    ...objects
      .all('checkout.session')
      .filter(({ status }) => status === 'open')
      .map((session) => ({ atS: session.expires_at, run: () => expireSession(account, session) })),
  ]
}

/** A cancellation comes first, so that a period that ends with it is not billed again. */
function ofSubscription(account: Account, subscription: Subscription): Due[] {
  const { status, cancel_at: cancelAt, trial_end: trialEnd, created } = subscription
  if (subscription.ended_at !== null) return []
  if (status === 'incomplete')
    return [{ atS: created + incompleteS, run: () => expireIncomplete(account, subscription) }]
  const due: Due[] = []
  if (cancelAt !== null)
    due.push({ atS: cancelAt, run: () => endSubscription(account, subscription, 'cancellation_requested') })
  if (status === 'trialing' && trialEnd !== null) {
    if (!account.announced.has(subscription.id)) {
      const announce = () => {
        account.announced.add(subscription.id)
        account.emit('customer.subscription.trial_will_end', subscription)
      }
      due.push({ atS: Math.max(created, trialEnd - trialNoticeS), run: announce })
    }
    due.push({ atS: trialEnd, run: () => endTrial(account, subscription, false) })
  } else if (status !== 'paused') {
    due.push({ atS: periodOf(subscription).end, run: () => void renew(account, subscription) })
  }
  return due
}

function ofInvoice(account: Account, invoice: Invoice): Due[] {
  const { status, automatically_finalizes_at: finalizesAt, next_payment_attempt: attemptAt } = invoice
  if (status === 'draft' && finalizesAt !== null) {
    const run = () => {
      finalizeInvoice(account, invoice)
      if (invoice.status === 'open') collect(account, invoice)
    }
    return [{ atS: finalizesAt, run }]
  }
  if (status === 'open' && attemptAt !== null)
    return [{ atS: attemptAt, run: () => void collect(account, invoice) }]
  return []
}
