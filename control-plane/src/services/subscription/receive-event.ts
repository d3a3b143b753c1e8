import { inTransaction, nudge } from '../../context.ts'
import type { BillingCtx } from './ctx.ts'

export interface StripeEventInput {
  id: string
  type: string
  /** What the event is about, and whose it is; that is all that is kept of it. */
  object: { object: string; id: string | null; customer: string | null }
}

/**
 * Stores an event of Stripe, once, and asks for it to be applied. It is durable when this returns. One that concerns no
 * customer of ours is kept as done.
 */
export function receiveStripeEvent({
  ctx,
  input,
}: {
  ctx: BillingCtx
  input: StripeEventInput
}): Promise<void> {
  const { id, type, object } = input
  return inTransaction(ctx, async (tx) => {
    const isOurs =
      object.customer !== null &&
      (await tx.billingAccount.count({ where: { stripeCustomerId: object.customer } })) > 0
    const now = new Date(ctx.clock.now())
    const data = { id, type, payload: object, receivedAt: now, processedAt: isOurs ? null : now }
    const { count } = await tx.stripeEvent.createMany({ data: [data], skipDuplicates: true })
    if (count === 0 || !isOurs) return
    await ctx.billingJobs.enqueue(tx, [{ eventId: id }])
    nudge(tx, 'billing', '')
  })
}
