import { startSandbox } from '../../../sandbox/src/index.ts'
import { createStripe } from '../lib/stripe.ts'
import { createVault } from '../lib/vault.ts'
import { createFixture } from '../services/conversation/fixtures.ts'
import { defaultModel } from '../services/model/catalogue.ts'
import type { BillingCtx } from '../services/subscription/ctx.ts'

/** For tests: a database, a clock that is set by hand, and a Stripe of its own. */
export async function createBillingFixture() {
  const [fixture, sandbox] = await Promise.all([createFixture(), startSandbox({ port: 0 })])
  const stripe = createStripe({ secretKey: 'sk_test_billing', apiBase: sandbox.url })
  const vault = createVault(`t:${Buffer.alloc(32, 't').toString('base64')}`)
  const ctx: BillingCtx = { ...fixture.ctx, stripe, vault, priceId: 'price_sandboxMonthly' }
  return {
    ...fixture,
    ctx,
    stripe,
    sandbox,
    async close() {
      await Promise.all([sandbox.stop(), fixture.close()])
    },
  }
}

export type BillingFixture = Awaited<ReturnType<typeof createBillingFixture>>

/** A person who signed up and did nothing else, with a customer at Stripe and a card that works. */
export async function createCustomer({ db, stripe }: BillingFixture) {
  const email = `${crypto.randomUUID()}@example.test`
  const user = await db.user.create({ data: { email, assistant: { create: { model: defaultModel } } } })
  const customer = await stripe.customers.create({
    email,
    payment_method: 'pm_card_visa',
    invoice_settings: { default_payment_method: 'pm_card_visa' },
  })
  await db.billingAccount.create({ data: { userId: user.id, stripeCustomerId: customer.id } })
  return { userId: user.id, email, customerId: customer.id }
}
