import { askStripe } from '../../lib/stripe.ts'
import { plan } from '../../plan.ts'
import type { BillingCtx } from './ctx.ts'

/** Logs when the price that Stripe charges is not the one that we say everywhere (B7). Answers whether they agree. */
export async function checkPrice({ ctx }: { ctx: BillingCtx }): Promise<boolean> {
  const {
    active,
    currency,
    recurring,
    unit_amount: cents,
  } = await askStripe(ctx.stripe.prices.retrieve(ctx.priceId))
  const isMonthly = recurring?.interval === 'month' && recurring.interval_count === 1
  const agrees = active && isMonthly && cents === plan.priceCents && currency === plan.currency
  if (!agrees) ctx.log.error({ cents, currency, recurring }, 'STRIPE_PRICE_ID is not the price of plan.ts')
  return agrees
}
