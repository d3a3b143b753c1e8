import { createHash } from 'node:crypto'
import type Stripe from 'stripe'
import { inTransaction } from '../../context.ts'
import { conflict } from '../../errors.ts'
import { askStripe } from '../../lib/stripe.ts'
import { plan } from '../../plan.ts'
import { requireOffered } from '../assistant/require-offered.ts'
import type { BillingCtx } from './ctx.ts'
import { ensureCustomer, isFirstTime, minuteOf } from './ensure-customer.ts'
import { openPortal } from './open-portal.ts'
import { firstMark } from './read-customer.ts'
import { syncCustomer } from './sync-customer.ts'

export interface CheckoutInput {
  userId: string
  /** For the assistant that the subscription starts; absent = what was chosen before. */
  model?: string | undefined
  /** Paths of the web, with its query; parsed by the route. */
  successPath: string
  cancelPath: string
}

/**
 * A page of Stripe to subscribe on; for a person whose payment failed, the portal to repair it (B2). A person has one
 * page at a time: asking again answers the same, asking for something else ends the other.
 * Errors: unknown_model (400), already_subscribed (409), stripe_unavailable (503, retryable).
 */
export async function startCheckout({ ctx, input }: { ctx: BillingCtx; input: CheckoutInput }) {
  const { userId, model, cancelPath } = input
  if (model !== undefined) requireOffered(model, ctx.clock.now())
  const customer = await ensureCustomer({ ctx, input: { userId } })
  // Stripe is asked, not our copy: the event of a payment may still be on its way.
  await syncCustomer({ ctx, input: { userId } })
  const live = await ctx.db.subscription.findFirst({ where: { userId, status: { not: 'CANCELED' } } })
  if (live?.status === 'ACTIVE') throw conflict('There is a subscription already.', 'already_subscribed')
  if (live?.status === 'PAST_DUE') return openPortal({ ctx, input: { userId, returnPath: cancelPath } })
  if (model !== undefined) await chooseModel(ctx, userId, model)
  const isFirst = await isFirstTime(ctx, customer)
  const session = await openSession(ctx, input, { customer: customer.customerId, isFirst })
  if (session.url === null) throw conflict('The checkout has just ended. Try again.', 'checkout_ended')
  return { url: session.url }
}

/** Kept until the subscription starts the assistant; one that exists keeps its model. */
async function chooseModel(ctx: BillingCtx, userId: string, model: string): Promise<void> {
  await inTransaction(ctx, (tx) =>
    tx.assistant.updateMany({ where: { userId, desired: 'ABSENT' }, data: { model } }),
  )
}

async function openSession(
  ctx: BillingCtx,
  input: CheckoutInput,
  { customer, isFirst }: { customer: string; isFirst: boolean },
): Promise<Stripe.Checkout.Session> {
  const { stripe, priceId, settings } = ctx
  const wish = {
    mode: 'subscription',
    customer,
    client_reference_id: input.userId,
    line_items: [{ price: priceId, quantity: 1 }],
    payment_method_collection: 'always',
    allow_promotion_codes: true,
    success_url: `${settings.webUrl}${input.successPath}`,
    cancel_url: `${settings.webUrl}${input.cancelPath}`,
    subscription_data: isFirst ? { trial_period_days: plan.trialDays, metadata: firstMark } : {},
  } satisfies Stripe.Checkout.SessionCreateParams
  const fingerprint = createHash('sha256').update(JSON.stringify(wish)).digest('hex').slice(0, 40)
  const { data } = await askStripe(stripe.checkout.sessions.list({ customer, limit: 100 }))
  const subscribing = data.filter(({ mode }) => mode === 'subscription')
  const open = subscribing.filter(({ status }) => status === 'open')
  const same = open.find(({ metadata }) => metadata?.fingerprint === fingerprint)
  for (const other of open) if (other !== same) await expire(stripe, other.id)
  if (same) return same
  // Two clicks at once have seen the same latest session, send the same key, and get one session.
  const idempotencyKey = `checkout:${customer}:${subscribing[0]?.id ?? ''}:${fingerprint}:${minuteOf(ctx)}`
  return askStripe(
    stripe.checkout.sessions.create({ ...wish, metadata: { fingerprint } }, { idempotencyKey }),
  )
}

/** One that was paid in this moment cannot be expired; its subscription is found when the next is read. */
async function expire(stripe: Stripe, id: string): Promise<void> {
  const { status } = await askStripe(stripe.checkout.sessions.retrieve(id))
  if (status === 'open') await askStripe(stripe.checkout.sessions.expire(id))
}
