import type Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../index.ts'
import { post } from '../../test-support.ts'
import { advance, customerWithCard, eventTypes, stripeAt } from '../testing.ts'

const hourS = 3_600
const dayS = 86_400
let sandbox: Sandbox
let stripe: Stripe
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  stripe = stripeAt(sandbox.url)
})
beforeEach(() => post(`${sandbox.url}/sim/stripe/dunning`, { retryDays: [3, 5, 7], outcome: 'cancel' }))
afterAll(() => sandbox.stop())

async function subscribe(card?: string, more: Partial<Stripe.SubscriptionCreateParams> = {}) {
  const { customer, price } = await customerWithCard(stripe, card)
  return stripe.subscriptions.create({ customer: customer.id, items: [{ price }], ...more })
}
const again = (subscription: Stripe.Subscription) =>
  stripe.subscriptions.retrieve(subscription.id, {
    expand: ['latest_invoice.payments', 'default_payment_method'],
  })
const status = async (subscription: Stripe.Subscription) => (await again(subscription)).status
const invoicesOf = async ({ id }: Stripe.Subscription) =>
  (await stripe.invoices.list({ subscription: id })).data

test('the first period is paid at once, and the next at its end', async () => {
  const subscription = await subscribe()
  expect(subscription.status).toBe('active')
  const { latest_invoice: first, items } = await again(subscription)
  expect(first).toMatchObject({
    status: 'paid',
    amount_paid: 2000,
    billing_reason: 'subscription_create',
    parent: { subscription_details: { subscription: subscription.id } },
    payments: { data: [{ status: 'paid', payment: { type: 'payment_intent' } }] },
  })
  const end = items.data[0]?.current_period_end ?? 0
  await advance(sandbox.url, 31 * dayS)
  const renewed = await again(subscription)
  expect(renewed.items.data[0]?.current_period_start).toBe(end)
  await advance(sandbox.url, 2 * hourS)
  expect(await invoicesOf(subscription)).toMatchObject([
    { status: 'paid', billing_reason: 'subscription_cycle', period_end: end },
    { status: 'paid', billing_reason: 'subscription_create' },
  ])
})

test('a trial costs nothing, announces its end, and becomes active before its first payment', async () => {
  const subscription = await subscribe(undefined, { trial_period_days: 2 })
  expect(subscription).toMatchObject({ status: 'trialing', trial_end: subscription.created + 2 * dayS })
  expect(await invoicesOf(subscription)).toMatchObject([{ status: 'paid', amount_due: 0, total: 0 }])
  await advance(sandbox.url, 2 * dayS)
  expect(await status(subscription)).toBe('active')
  expect((await invoicesOf(subscription))[0]).toMatchObject({ status: 'draft', amount_due: 2000 })
  await advance(sandbox.url, hourS)
  expect((await invoicesOf(subscription))[0]).toMatchObject({ status: 'paid', amount_paid: 2000 })
  expect(await eventTypes(stripe, subscription.id)).toEqual([
    'invoice.created',
    'customer.subscription.created',
    'invoice.finalized',
    'invoice.paid',
    'invoice.payment_succeeded',
    'customer.subscription.trial_will_end',
    'invoice.created',
    'customer.subscription.updated',
    'invoice.finalized',
    'invoice.paid',
    'invoice.payment_succeeded',
  ])
})

describe('a payment that fails', () => {
  const failing = async () => {
    const subscription = await subscribe('pm_card_chargeCustomerFail', { trial_period_days: 1 })
    await advance(sandbox.url, dayS + hourS)
    return subscription
  }

  test('makes it past due, is tried again, and cancels in the end', async () => {
    const subscription = await failing()
    expect(await status(subscription)).toBe('past_due')
    const attempts = async () => (await invoicesOf(subscription))[0]?.attempt_count
    expect(await attempts()).toBe(1)
    await advance(sandbox.url, 3 * dayS)
    expect(await attempts()).toBe(2)
    await advance(sandbox.url, 12 * dayS)
    expect(await again(subscription)).toMatchObject({
      status: 'canceled',
      cancellation_details: { reason: 'payment_failed' },
      latest_invoice: { attempt_count: 4, status: 'open', next_payment_attempt: null },
    })
    const types = await eventTypes(stripe, subscription.id)
    expect(types.filter((type) => type === 'invoice.payment_failed')).toHaveLength(4)
    expect(types.at(-1)).toBe('customer.subscription.deleted')
  })

  test.each(['unpaid', 'past_due'] as const)('or leaves it %s when the account says so', async (outcome) => {
    await post(`${sandbox.url}/sim/stripe/dunning`, { retryDays: [], outcome })
    expect(await status(await failing())).toBe(outcome)
  })

  test('is repaired by another card', async () => {
    const subscription = await failing()
    const customer = subscription.customer as string
    const card = await stripe.paymentMethods.attach('pm_card_mastercard', { customer })
    await stripe.customers.update(customer, { invoice_settings: { default_payment_method: card.id } })
    await advance(sandbox.url, 3 * dayS)
    expect(await again(subscription)).toMatchObject({ status: 'active', latest_invoice: { status: 'paid' } })
  })

  test('can be brought about, for a subscription in trial or paid', async () => {
    for (const trial of [{}, { trial_period_days: 2 }]) {
      const subscription = await subscribe(undefined, trial)
      await post(`${sandbox.url}/sim/stripe/subscriptions/${subscription.id}/fail-payment`, {})
      expect(await again(subscription)).toMatchObject({
        status: 'past_due',
        latest_invoice: { status: 'open', amount_due: 2000, attempt_count: 1 },
      })
    }
  })

  test('of a first invoice leaves it incomplete, and a day later expired', async () => {
    const subscription = await subscribe('pm_card_chargeCustomerFail')
    expect(subscription.status).toBe('incomplete')
    await advance(sandbox.url, dayS)
    expect(await again(subscription)).toMatchObject({
      status: 'incomplete_expired',
      latest_invoice: { status: 'void' },
    })
  })

  test('is a card error for who pays an invoice', async () => {
    const subscription = await subscribe('pm_card_chargeCustomerFail')
    const asked = stripe.invoices.pay(subscription.latest_invoice as string)
    await expect(asked).rejects.toMatchObject({
      type: 'StripeCardError',
      statusCode: 402,
      code: 'card_declined',
      decline_code: 'generic_decline',
      payment_intent: { status: 'requires_payment_method' },
    })
    await stripe.invoices.pay(subscription.latest_invoice as string, { payment_method: 'pm_card_visa' })
    expect(await status(subscription)).toBe('active')
  })
})

describe('a trial that ends without a card', () => {
  test.each([
    ['pause', 'paused'],
    ['cancel', 'canceled'],
    ['create_invoice', 'past_due'],
  ] as const)('%s', async (missing_payment_method, expected) => {
    const customer = await stripe.customers.create()
    const subscription = await stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: 'price_sandboxMonthly' }],
      trial_period_days: 1,
      trial_settings: { end_behavior: { missing_payment_method } },
    })
    await advance(sandbox.url, dayS + hourS)
    expect(await status(subscription)).toBe(expected)
  })

  test('resumes when it was paused', async () => {
    const { customer } = await customerWithCard(stripe)
    await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: '' } })
    const subscription = await stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: 'price_sandboxMonthly' }],
      trial_period_days: 1,
      trial_settings: { end_behavior: { missing_payment_method: 'pause' } },
    })
    await advance(sandbox.url, dayS)
    const { data } = await stripe.paymentMethods.list({ customer: customer.id, type: 'card' })
    await stripe.subscriptions.update(subscription.id, { default_payment_method: data[0]?.id ?? '' })
    await stripe.subscriptions.resume(subscription.id)
    expect(await status(subscription)).toBe('active')
  })
})

describe('cancelling', () => {
  test('at the end of the period, undone, and then for good', async () => {
    const subscription = await subscribe()
    const end = subscription.items.data[0]?.current_period_end ?? 0
    const cancel = (cancel_at_period_end: boolean) =>
      stripe.subscriptions.update(subscription.id, { cancel_at_period_end })
    expect(await cancel(true)).toMatchObject({ status: 'active', cancel_at_period_end: true, cancel_at: end })
    expect(await cancel(false)).toMatchObject({
      cancel_at_period_end: false,
      cancel_at: null,
      canceled_at: null,
    })
    await cancel(true)
    await advance(sandbox.url, 32 * dayS)
    expect(await again(subscription)).toMatchObject({ status: 'canceled', ended_at: end })
    expect(await invoicesOf(subscription)).toHaveLength(1)
    await expect(cancel(false)).rejects.toMatchObject({ statusCode: 400 })
  })

  test('now, and only once; the canceled one is listed when asked for', async () => {
    const subscription = await subscribe()
    expect((await stripe.subscriptions.cancel(subscription.id)).status).toBe('canceled')
    await expect(stripe.subscriptions.cancel(subscription.id)).rejects.toMatchObject({ statusCode: 404 })
    const customer = subscription.customer as string
    expect((await stripe.subscriptions.list({ customer })).data).toEqual([])
    expect((await stripe.subscriptions.list({ customer, status: 'all' })).data).toHaveLength(1)
  })
})

test('a coupon makes invoices cheaper for as long as it lasts', async () => {
  const coupon = await stripe.coupons.create({ percent_off: 50, duration: 'once' })
  const subscription = await subscribe(undefined, { discounts: [{ coupon: coupon.id }] })
  await advance(sandbox.url, 31 * dayS + hourS)
  expect((await invoicesOf(subscription)).map(({ amount_paid }) => amount_paid)).toEqual([2000, 1000])
})

test('a payment is refunded in parts, never more than it was; a dispute opens and closes', async () => {
  const subscription = await subscribe()
  const { data } = await stripe.charges.list({ customer: subscription.customer as string })
  const charge = data[0]?.id ?? ''
  await stripe.refunds.create({ charge, amount: 500 })
  await stripe.refunds.create({ charge })
  await expect(stripe.refunds.create({ charge })).rejects.toMatchObject({ code: 'charge_already_refunded' })
  expect(await stripe.charges.retrieve(charge, { expand: ['refunds'] })).toMatchObject({
    amount_refunded: 2000,
    refunded: true,
    refunds: { data: [{ amount: 500 }, { amount: 1500 }] },
  })
  const dispute = (await post(`${sandbox.url}/sim/stripe/charges/${charge}/dispute`, {})) as { id: string }
  await post(`${sandbox.url}/sim/stripe/disputes/${dispute.id}/close`, { status: 'lost' })
  expect(await stripe.disputes.retrieve(dispute.id)).toMatchObject({ status: 'lost', charge })
})
