import { notFound } from '../../errors.ts'
import { askStripe, isMissing } from '../../lib/stripe.ts'
import type { BillingCtx } from './ctx.ts'

/** The person's one customer at Stripe (B2), made when there is none, or when Stripe has it no more. */
export async function ensureCustomer({ ctx, input }: { ctx: BillingCtx; input: { userId: string } }) {
  const { db, stripe } = ctx
  const { userId } = input
  const user = await db.user.findUnique({ where: { id: userId }, include: { billingAccount: true } })
  if (user === null) throw notFound('There is no such user.', 'user_not_found')
  const known = user.billingAccount?.stripeCustomerId
  if (known !== undefined && (await exists(ctx, known))) return { customerId: known, email: user.email }

  // Two requests at once send the same key and get the same customer; after a crash the list finds it.
  const listed = await askStripe(stripe.customers.list({ email: user.email, limit: 100 }))
  const found = listed.data.find(({ id, metadata }) => metadata.user_id === userId && id !== known)
  const details = { email: user.email, metadata: { user_id: userId }, ...(user.name && { name: user.name }) }
  const idempotencyKey = `customer:${userId}:${known ?? ''}:${minuteOf(ctx)}`
  const customer = found ?? (await askStripe(stripe.customers.create(details, { idempotencyKey })))
  await db.billingAccount.upsert({
    where: { userId },
    update: { stripeCustomerId: customer.id },
    create: { userId, stripeCustomerId: customer.id },
  })
  return { customerId: customer.id, email: user.email }
}

/** Part of an idempotency key: Stripe repeats its answer for a day, an error of its own as well. */
export const minuteOf = ({ clock }: Pick<BillingCtx, 'clock'>) => Math.floor(clock.now() / 60_000)

async function exists({ stripe }: BillingCtx, customer: string): Promise<boolean> {
  try {
    return (await askStripe(stripe.customers.retrieve(customer))).deleted !== true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/**
 * False once any customer with this address ever had a subscription: leaving and coming back makes no second trial.
 * Stripe is asked, since nothing of ours outlives an account.
 */
export async function isFirstTime(
  { stripe }: Pick<BillingCtx, 'stripe'>,
  { email, customerId }: { email: string; customerId: string | undefined },
): Promise<boolean> {
  const listed = await askStripe(stripe.customers.list({ email, limit: 100 }))
  const customers = new Set([...listed.data.map(({ id }) => id), ...(customerId ? [customerId] : [])])
  for (const customer of customers) {
    const { data } = await askStripe(stripe.subscriptions.list({ customer, status: 'all', limit: 10 }))
    if (data.some(({ status }) => status !== 'incomplete_expired')) return false
  }
  return true
}
