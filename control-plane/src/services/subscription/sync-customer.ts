import type { Transaction } from '@yourclaw/db'
import { inTransaction } from '../../context.ts'
import { askStripe, isMissing } from '../../lib/stripe.ts'
import { applySubscriptions } from './apply-subscriptions.ts'
import type { BillingCtx } from './ctx.ts'
import { readCustomer, type SubscriptionFacts } from './read-customer.ts'
import { settleAccessIn } from './settle-access.ts'

export interface CustomerRead {
  customerId: string
  subscriptions: SubscriptionFacts[]
}

/**
 * Reads all that Stripe knows of a person's subscriptions and makes ours the same, in one transaction with what it
 * causes (B1). Null for a person who is no customer. `also` joins the transaction.
 *
 * Reads are numbered as they begin, and one is written only over older ones: a change at Stripe is followed by an
 * event, the event by a read that begins later, so the newest read has seen every change that any other has.
 * Errors: stripe_unavailable (503, retryable).
 */
export async function syncCustomer({
  ctx,
  input,
  also,
}: {
  ctx: BillingCtx
  input: { userId: string }
  also?: (tx: Transaction) => Promise<unknown>
}): Promise<CustomerRead | null> {
  const { userId } = input
  const [begun] = await ctx.db.billingAccount.updateManyAndReturn({
    where: { userId },
    data: { readsBegun: { increment: 1 } },
  })
  if (begun === undefined) return null
  const { stripeCustomerId: customerId, readsBegun: number } = begun
  const subscriptions = await readCustomer(ctx.stripe, customerId)
  const surplus = await inTransaction(ctx, async (tx) => {
    await also?.(tx)
    const { count } = await tx.billingAccount.updateMany({
      where: { userId, stripeCustomerId: customerId, readApplied: { lt: number } },
      data: { readApplied: number },
    })
    if (count === 0) return []
    const { surplus } = await applySubscriptions(tx, ctx, userId, subscriptions)
    await settleAccessIn(tx, ctx, userId)
    return surplus
  })
  // After the commit: should this fail, the next read finds it again.
  for (const id of surplus) await endSurplus(ctx, id)
  return { customerId, subscriptions }
}

/** Two checkouts that were open at once were both paid: the older one stays. */
async function endSurplus({ stripe, log }: BillingCtx, id: string): Promise<void> {
  log.error(
    { stripeSubscriptionId: id },
    'a second live subscription of one person is canceled: look at its refund',
  )
  try {
    await askStripe(stripe.subscriptions.cancel(id))
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}
