import type { SubscriptionStatus } from '@yourclaw/db'
import type Stripe from 'stripe'
import { askStripe, isMissing } from '../../lib/stripe.ts'
import { dayMs, plan } from '../../plan.ts'
import { standingOf } from './standings.ts'

/** One subscription as Stripe has it, in our terms. */
export interface SubscriptionFacts {
  stripeCustomerId: string
  stripeSubscriptionId: string
  status: SubscriptionStatus
  trialEnd: Date | null
  currentPeriodEnd: Date | null
  cancelAtPeriodEnd: boolean
  cancelAt: Date | null
  endedAt: Date | null
  graceEnd: Date | null
  /** When it was asked for. */
  canceledAt: Date | null
  createdAt: Date
  /** Checkout found that the person never had one before. */
  isFirst: boolean
  /** What it costs a period; null when a discount makes it another sum. */
  amountCents: number | null
  /** The oldest invoice that is to be paid; of a PAST_DUE one only. */
  unpaid: { invoiceId: string; amountCents: number; currency: string } | null
}

/** Set by checkout on what it starts. */
export const firstMark = { first_subscription: 'yes' } as const

/** Every subscription that a customer ever had, oldest first; none when Stripe has no such customer any more. */
export async function readCustomer(stripe: Stripe, customer: string): Promise<SubscriptionFacts[]> {
  const found = await listSubscriptions(stripe, customer)
  const facts = await Promise.all(found.map((subscription) => factsOf(stripe, customer, subscription)))
  return facts.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
}

async function listSubscriptions(stripe: Stripe, customer: string): Promise<Stripe.Subscription[]> {
  try {
    return (await askStripe(stripe.subscriptions.list({ customer, status: 'all', limit: 100 }))).data
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

async function factsOf(
  stripe: Stripe,
  customer: string,
  subscription: Stripe.Subscription,
): Promise<SubscriptionFacts> {
  const {
    id,
    status: stripeStatus,
    items,
    cancel_at: cancelAt,
    cancel_at_period_end: atPeriodEnd,
  } = subscription
  const { status, hasGrace } = standingOf(stripeStatus)
  // The period is on the items since API 2025-03-31; all of ours have one.
  const [item] = items.data
  const periodEnd = item?.current_period_end ?? null
  const endsAt = cancelAt ?? (atPeriodEnd ? periodEnd : null)
  const unpaid = status === 'PAST_DUE' ? await oldestUnpaid(stripe, id) : null
  const failedS =
    unpaid?.status_transitions.finalized_at ?? unpaid?.created ?? item?.current_period_start ?? 0
  return {
    stripeCustomerId: customer,
    stripeSubscriptionId: id,
    status,
    trialEnd: date(subscription.trial_end),
    currentPeriodEnd: date(periodEnd),
    cancelAtPeriodEnd: endsAt !== null,
    cancelAt: date(endsAt),
    canceledAt: date(subscription.canceled_at),
    endedAt: date(subscription.ended_at),
    graceEnd: hasGrace ? new Date(failedS * 1000 + plan.graceDays * dayMs) : null,
    createdAt: new Date(subscription.created * 1000),
    isFirst: subscription.metadata.first_subscription === firstMark.first_subscription,
    amountCents: subscription.discounts.length > 0 ? null : (item?.price.unit_amount ?? null),
    unpaid: unpaid && {
      invoiceId: unpaid.id ?? '',
      amountCents: unpaid.amount_remaining,
      currency: unpaid.currency,
    },
  }
}

/** The grace is counted from it: a later invoice that fails, too, must not make it longer. */
async function oldestUnpaid(stripe: Stripe, subscription: string): Promise<Stripe.Invoice | null> {
  const { data } = await askStripe(stripe.invoices.list({ subscription, status: 'open', limit: 100 }))
  return data.reduce<Stripe.Invoice | null>(
    (oldest, invoice) => (oldest !== null && oldest.created <= invoice.created ? oldest : invoice),
    null,
  )
}

const date = (seconds: number | null) => (seconds === null ? null : new Date(seconds * 1000))
