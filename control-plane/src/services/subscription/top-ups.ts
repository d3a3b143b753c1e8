import type { Transaction } from '@yourclaw/db'
import type Stripe from 'stripe'
import { ServiceError } from '../../errors.ts'
import { askStripe, isMissing } from '../../lib/stripe.ts'
import { plan } from '../../plan.ts'
import { completeTopUp, type OpenTopUpPage, refundTopUp } from '../credit/top-up.ts'
import type { BillingCtx } from './ctx.ts'
import { ensureCustomer, minuteOf } from './ensure-customer.ts'

/** A one-time payment of credit, as Stripe has it. */
export interface TopUpFacts {
  checkoutSessionId: string
  amountCents: number
  refunds: { refundId: string; amountCents: number }[]
}

const kind = 'top_up'

/** Stripe's page to buy credit on; it is credited when Stripe says that it was paid. */
export function createTopUpPages(ctx: BillingCtx): OpenTopUpPage {
  return async ({ userId, amountCents, successUrl, cancelUrl }) => {
    const { customerId: customer } = await ensureCustomer({ ctx, input: { userId } })
    const price_data = { currency: plan.currency, unit_amount: amountCents, product_data: { name: 'Credit' } }
    const page = {
      mode: 'payment',
      customer,
      line_items: [{ price_data, quantity: 1 }],
      success_url: successUrl,
      cancel_url: cancelUrl,
      metadata: { kind },
    } satisfies Stripe.Checkout.SessionCreateParams
    const idempotencyKey = `top-up:${customer}:${amountCents}:${minuteOf(ctx)}`
    const { url } = await askStripe(ctx.stripe.checkout.sessions.create(page, { idempotencyKey }))
    if (url !== null) return { url }
    // Paid within the minute: the same click again.
    throw new ServiceError(409, 'checkout_ended', 'That page has just ended. Try again in a minute.')
  }
}

/** Every top-up that a customer paid, with what was given back of it. */
export async function readTopUps(stripe: Stripe, customer: string): Promise<TopUpFacts[]> {
  const paid = await listPaid(stripe, customer)
  return Promise.all(
    paid.map(async ({ id, amount_total: total, payment_intent: payment }) => ({
      checkoutSessionId: id,
      amountCents: total ?? 0,
      refunds: typeof payment === 'string' ? await listRefunds(stripe, payment) : [],
    })),
  )
}

async function listPaid(stripe: Stripe, customer: string): Promise<Stripe.Checkout.Session[]> {
  try {
    const found = await askStripe(stripe.checkout.sessions.list({ customer, status: 'complete', limit: 100 }))
    return found.data.filter((one) => one.metadata?.kind === kind && one.payment_status === 'paid')
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

async function listRefunds(stripe: Stripe, payment_intent: string) {
  const { data } = await askStripe(stripe.refunds.list({ payment_intent, limit: 100 }))
  const done = data.filter(({ status }) => status === 'succeeded')
  return done.map(({ id, amount }) => ({ refundId: id, amountCents: amount }))
}

/** Credits what was paid and takes back what was refunded, each once however often it is read. */
export async function applyTopUps(tx: Transaction, userId: string, facts: TopUpFacts[]): Promise<void> {
  for (const { refunds, ...paid } of facts) {
    await completeTopUp({ tx, input: { userId, ...paid } })
    for (const refund of refunds) await refundTopUp({ tx, input: { userId, ...refund } })
  }
}
