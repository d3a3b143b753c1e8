import { z } from 'zod'
import type { BillingCtx } from './ctx.ts'
import { syncCustomer } from './sync-customer.ts'

const payloadSchema = z.object({ customer: z.string() })

/**
 * Applies a stored event by reading its customer again, and marks it in the same transaction (B1). An event that was
 * applied, or that nobody stored, changes nothing. Errors: stripe_unavailable (503, retryable).
 */
export async function applyStripeEvent({
  ctx,
  input,
}: {
  ctx: BillingCtx
  input: { eventId: string }
}): Promise<void> {
  const where = { id: input.eventId, processedAt: null }
  const event = await ctx.db.stripeEvent.findFirst({ where })
  const customer = payloadSchema.safeParse(event?.payload).data?.customer
  if (event === null || customer === undefined) return
  const processed = { where, data: { processedAt: new Date(ctx.clock.now()) } }
  const account = await ctx.db.billingAccount.findUnique({ where: { stripeCustomerId: customer } })
  const { userId } = account ?? {}
  // Whoever left in between has nothing more to apply.
  if (userId === undefined) await ctx.db.stripeEvent.updateMany(processed)
  else await syncCustomer({ ctx, input: { userId }, also: (tx) => tx.stripeEvent.updateMany(processed) })
}
