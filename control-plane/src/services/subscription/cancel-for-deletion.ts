import type Stripe from 'stripe'
import { askStripe, isMissing } from '../../lib/stripe.ts'
import type { BillingCtx } from './ctx.ts'

/**
 * Ends everything that could still charge a person whose account is being deleted: checkouts that are open, and
 * subscriptions, at once and without a refund. Stripe keeps the customer and the invoices. Safe to repeat.
 * Errors: stripe_unavailable (503, retryable): nothing is known then, and the deletion must wait.
 */
export async function cancelForDeletion({
  ctx,
  input,
}: {
  ctx: BillingCtx
  input: { userId: string }
}): Promise<void> {
  const { db, stripe } = ctx
  const { userId } = input
  const account = await db.billingAccount.findUnique({ where: { userId } })
  if (account !== null) await endAll(stripe, account.stripeCustomerId)
  const endedAt = new Date(ctx.clock.now())
  await db.subscription.updateMany({
    where: { userId, status: { not: 'CANCELED' } },
    data: { status: 'CANCELED', endedAt, graceEnd: null },
  })
}

async function endAll(stripe: Stripe, customer: string): Promise<void> {
  try {
    const open = await askStripe(stripe.checkout.sessions.list({ customer, status: 'open', limit: 100 }))
    for (const { id } of open.data) await askStripe(stripe.checkout.sessions.expire(id))
    // Without a status it lists those that have not ended.
    const live = await askStripe(stripe.subscriptions.list({ customer, limit: 100 }))
    for (const { id } of live.data) await askStripe(stripe.subscriptions.cancel(id))
  } catch (error) {
    // Somebody removed the customer at Stripe, and with it all that could charge.
    if (!isMissing(error)) throw error
  }
}
