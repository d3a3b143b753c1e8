import type { Transaction } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { notFound, ServiceError } from '../../errors.ts'
import { grantCredit } from './grant-credit.ts'

/** What can be bought, in US cents. */
export const topUpAmountsCents = [500, 1000, 2500] as const
export type TopUpAmountCents = (typeof topUpAmountsCents)[number]

const microsPerCent = 10_000n

/** Opens a payment page for a one-time payment. */
export type OpenTopUpPage = (input: {
  userId: string
  email: string
  amountCents: TopUpAmountCents
  successUrl: string
  cancelUrl: string
}) => Promise<{ url: string }>

/** A page to pay credit on. Errors: payments_unavailable (503) without a payment provider. */
export async function startTopUp({
  ctx,
  openPage,
  input,
}: {
  ctx: Ctx
  openPage: OpenTopUpPage | undefined
  input: { userId: string; amountCents: TopUpAmountCents }
}): Promise<{ url: string }> {
  if (openPage === undefined) {
    throw new ServiceError(503, 'payments_unavailable', 'Payments are not set up here.', { retryable: true })
  }
  const user = await ctx.db.user.findUnique({ where: { id: input.userId }, select: { email: true } })
  if (user === null) throw notFound('There is no such user.', 'user_not_found')
  const back = `${ctx.settings.webUrl}/usage`
  return openPage({
    ...input,
    email: user.email,
    successUrl: `${back}?top-up=paid`,
    cancelUrl: `${back}?top-up=canceled`,
  })
}

/** Credits a paid top-up, once for a checkout session however often it is said. */
export function completeTopUp({
  tx,
  input,
}: {
  tx: Transaction
  /** `amountCents` is what was paid, by Stripe's own word. */
  input: { userId: string; checkoutSessionId: string; amountCents: number }
}): Promise<{ isNew: boolean }> {
  const amountMicros = BigInt(input.amountCents) * microsPerCent
  return grantCredit({
    tx,
    userId: input.userId,
    amountMicros,
    reason: 'top_up',
    reference: input.checkoutSessionId,
  })
}

/** Takes refunded money out of the credit again, once a refund; what was spent meanwhile may leave it below zero. */
export function refundTopUp({
  tx,
  input,
}: {
  tx: Transaction
  input: { userId: string; refundId: string; amountCents: number }
}): Promise<{ isNew: boolean }> {
  const amountMicros = -BigInt(input.amountCents) * microsPerCent
  return grantCredit({ tx, userId: input.userId, amountMicros, reason: 'refund', reference: input.refundId })
}
