import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BillingFixture, createBillingFixture } from '../../testing/billing.ts'
import { cancelForDeletion } from './cancel-for-deletion.ts'
import { ensureCustomer } from './ensure-customer.ts'

let fixture: BillingFixture
beforeAll(async () => {
  fixture = await createBillingFixture()
})
afterAll(() => fixture.close())

test('D1: a person who leaves is charged by nothing any more, however often it is asked for', async () => {
  const { ctx, stripe, db } = fixture
  const { userId } = await fixture.signUp()
  const { customerId } = await ensureCustomer({ ctx, input: { userId } })
  const line_items = [{ price: ctx.priceId, quantity: 1 }]
  const subscription = await stripe.subscriptions.create({
    customer: customerId,
    items: [{ price: ctx.priceId }],
    trial_period_days: 2,
  })
  const checkout = await stripe.checkout.sessions.create({
    mode: 'subscription',
    customer: customerId,
    line_items,
    success_url: 'https://web.test/',
  })
  await db.subscription.create({ data: { userId, status: 'ACTIVE', stripeSubscriptionId: subscription.id } })
  for (const _ of ['once', 'again']) await cancelForDeletion({ ctx, input: { userId } })
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('canceled')
  expect((await stripe.checkout.sessions.retrieve(checkout.id)).status).toBe('expired')
  expect(await db.subscription.findFirst({ where: { userId } })).toMatchObject({ status: 'CANCELED' })
})

test('D1: while Stripe is away nothing is taken for canceled', async () => {
  const { ctx, db } = fixture
  const { userId } = await fixture.signUp()
  await ensureCustomer({ ctx, input: { userId } })
  await db.subscription.create({ data: { userId, status: 'ACTIVE' } })
  await fixture.sim('faults', { provider: 'stripe', status: 503 })
  const asked = cancelForDeletion({ ctx, input: { userId } })
  await expect(asked).rejects.toMatchObject({ code: 'stripe_unavailable', retryable: true })
  expect(await db.subscription.count({ where: { userId, status: 'ACTIVE' } })).toBe(1)
  await fixture.sim('reset')
})
