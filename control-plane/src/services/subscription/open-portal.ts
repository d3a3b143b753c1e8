import { notFound } from '../../errors.ts'
import { askStripe } from '../../lib/stripe.ts'
import type { BillingCtx } from './ctx.ts'

/**
 * Stripe's portal: card, invoices, cancel. Errors: no_customer (404) for somebody who never was at checkout,
 * stripe_unavailable (503, retryable).
 */
export async function openPortal({
  ctx,
  input,
}: {
  ctx: BillingCtx
  input: { userId: string; returnPath: string }
}): Promise<{ url: string }> {
  const account = await ctx.db.billingAccount.findUnique({ where: { userId: input.userId } })
  if (account === null) throw notFound('There is nothing to pay for yet.', 'no_customer')
  const { url } = await askStripe(
    ctx.stripe.billingPortal.sessions.create({
      customer: account.stripeCustomerId,
      return_url: `${ctx.settings.webUrl}${input.returnPath}`,
    }),
  )
  return { url }
}
