import type { SubscriptionStatus } from '@yourclaw/db'
import type Stripe from 'stripe'
import { ServiceError } from '../../errors.ts'

interface Standing {
  status: SubscriptionStatus
  /** PAST_DUE: the assistant goes on for plan.graceDays from the first payment that failed. */
  hasGrace: boolean
}

/**
 * What each status of Stripe is to us (B3). https://docs.stripe.com/api/subscriptions/object#subscription_object-status
 * ACTIVE and PAST_DUE are live: a person has one of them, and repairs it instead of buying another (B2).
 */
const standings: Record<string, Standing> = {
  // In its trial, with a card on file.
  trialing: { status: 'ACTIVE', hasGrace: false },
  // Paid; also in the hour in which a new invoice is still a draft.
  active: { status: 'ACTIVE', hasGrace: false },
  // A renewal failed, and Stripe tries again.
  past_due: { status: 'PAST_DUE', hasGrace: true },
  // Stripe stopped trying, and the invoice is still open: paying it makes the subscription active.
  unpaid: { status: 'PAST_DUE', hasGrace: true },
  // The very first payment has not succeeded; it still may, for 23 hours. Nothing was paid, so there is no grace.
  incomplete: { status: 'PAST_DUE', hasGrace: false },
  // The trial ended without a card, which checkout does not allow; a card makes it active.
  paused: { status: 'PAST_DUE', hasGrace: false },
  // Nobody paid the first invoice in time. Stripe never brings it back.
  incomplete_expired: { status: 'CANCELED', hasGrace: false },
  // It ended. Stripe never brings it back.
  canceled: { status: 'CANCELED', hasGrace: false },
}

/** Errors: unknown_stripe_status (500), so that a status that Stripe invents is looked at and nothing is guessed. */
export function standingOf(status: Stripe.Subscription.Status): Standing {
  const standing = Object.hasOwn(standings, status) ? standings[status] : undefined
  if (standing) return standing
  throw new ServiceError(500, 'unknown_stripe_status', `Stripe says a subscription is ${status}.`)
}
