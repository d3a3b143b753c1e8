import { conflict, notFound } from '../../errors.ts'
import { askStripe } from '../../lib/stripe.ts'
import type { BillingCtx } from './ctx.ts'
import { syncCustomer } from './sync-customer.ts'

interface Call {
  ctx: BillingCtx
  input: { userId: string }
}

/**
 * Ends the subscription with its period, or at once when the period is not paid for. Idempotent.
 * Errors: no_subscription (404), stripe_unavailable (503, retryable).
 */
export async function cancelSubscription({ ctx, input }: Call): Promise<void> {
  const live = await liveSubscription({ ctx, input })
  const id = live.stripeSubscriptionId
  if (live.status === 'PAST_DUE') await askStripe(ctx.stripe.subscriptions.cancel(id))
  else if (!live.cancelAtPeriodEnd)
    await askStripe(ctx.stripe.subscriptions.update(id, { cancel_at_period_end: true }))
  await syncCustomer({ ctx, input })
}

/**
 * Takes a cancellation back that has not come to pass, whoever asked for it and where. Idempotent.
 * Errors: no_subscription (404), subscription_ended (409): only a checkout starts a new one.
 */
export async function resumeSubscription({ ctx, input }: Call): Promise<void> {
  const live = await liveSubscription({ ctx, input })
  const id = live.stripeSubscriptionId
  // The portal sets the date and not the flag; Stripe takes only one of them in a call.
  const { cancel_at_period_end: hasFlag, cancel_at: at } = await askStripe(
    ctx.stripe.subscriptions.retrieve(id),
  )
  if (hasFlag) await askStripe(ctx.stripe.subscriptions.update(id, { cancel_at_period_end: false }))
  else if (at !== null) await askStripe(ctx.stripe.subscriptions.update(id, { cancel_at: '' }))
  await syncCustomer({ ctx, input })
}

async function liveSubscription({ ctx, input }: Call) {
  const subscriptions = (await syncCustomer({ ctx, input }))?.subscriptions ?? []
  const live = subscriptions.find(({ status }) => status !== 'CANCELED')
  if (live) return live
  if (subscriptions.length > 0) throw conflict('The subscription has ended.', 'subscription_ended')
  throw notFound('There is no subscription.', 'no_subscription')
}
