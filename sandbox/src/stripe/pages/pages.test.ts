import type Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../index.ts'
import { get, post } from '../../test-support.ts'
import { advance, stripeAt } from '../testing.ts'

const dayS = 86_400
let sandbox: Sandbox
let stripe: Stripe
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  stripe = stripeAt(sandbox.url)
})
afterAll(() => sandbox.stop())

/** A browser's form, without following where it leads. */
const submit = (url: string, fields: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' })

const open = (more: Partial<Stripe.Checkout.SessionCreateParams> = {}) =>
  stripe.checkout.sessions.create({
    mode: 'subscription',
    line_items: [{ price: 'price_sandboxMonthly', quantity: 1 }],
    success_url: 'http://localhost:3000/done?session={CHECKOUT_SESSION_ID}',
    cancel_url: 'http://localhost:3000/back',
    client_reference_id: 'user-1',
    customer_email: 'ada@example.com',
    ...more,
  })
const again = (session: Stripe.Checkout.Session) =>
  stripe.checkout.sessions.retrieve(session.id, { expand: ['subscription', 'line_items', 'customer'] })

describe('checkout', () => {
  test('starts a trial with a card that pays', async () => {
    const session = await open({ subscription_data: { trial_period_days: 2, metadata: { userId: 'u1' } } })
    expect(session).toMatchObject({ status: 'open', payment_status: 'unpaid', subscription: null })
    const shown = await (await fetch(session.url ?? '')).text()
    expect(shown).toContain('2 days free')
    expect(shown).not.toMatch(/(src|href)="https?:(?!\/\/(localhost|127))/)
    const done = await submit(session.url ?? '', { email: 'ada@example.com', card: '4242 4242 4242 4242' })
    expect([done.status, done.headers.get('location')]).toEqual([
      303,
      `http://localhost:3000/done?session=${session.id}`,
    ])
    expect(await again(session)).toMatchObject({
      status: 'complete',
      payment_status: 'no_payment_required',
      client_reference_id: 'user-1',
      customer: { email: 'ada@example.com' },
      customer_details: { email: 'ada@example.com' },
      subscription: { status: 'trialing', metadata: { userId: 'u1' } },
      line_items: { data: [{ price: { id: 'price_sandboxMonthly' } }] },
    })
    expect((await fetch(`${sandbox.url}/stripe/checkout/${session.id}`)).status).toBe(410)
  })

  test('is refused with a card that does not, and can be tried again', async () => {
    const session = await open()
    const refused = await submit(session.url ?? '', { email: 'a@example.com', card: '4000000000000002' })
    expect([refused.status, await refused.text()]).toEqual([
      402,
      expect.stringContaining('Your card was declined.'),
    ])
    expect(await again(session)).toMatchObject({ status: 'open', subscription: null })
    await submit(session.url ?? '', { email: 'a@example.com', card: '4242424242424242' })
    expect(await again(session)).toMatchObject({ payment_status: 'paid', subscription: { status: 'active' } })
  })

  test('expires when it is left, by time or on request', async () => {
    const [left, ended] = [await open(), await open()]
    expect((await stripe.checkout.sessions.expire(ended.id)).status).toBe('expired')
    await advance(sandbox.url, dayS)
    expect(await again(left)).toMatchObject({ status: 'expired', url: null })
    const { data } = await stripe.events.list({ type: 'checkout.session.expired' })
    expect(data).toHaveLength(2)
  })

  test('takes a promotion code that is typed, and no other', async () => {
    const coupon = await stripe.coupons.create({ percent_off: 25, duration: 'forever' })
    await stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id }, code: 'QUARTER' })
    const session = await open({ allow_promotion_codes: true })
    const fields = { email: 'a@example.com', card: '4242424242424242' }
    expect((await submit(session.url ?? '', { ...fields, promotionCode: 'HALF' })).status).toBe(422)
    await submit(session.url ?? '', { ...fields, promotionCode: 'quarter' })
    expect(await again(session)).toMatchObject({
      amount_total: 1500,
      total_details: { amount_discount: 500 },
    })
  })

  test('takes one payment, and what was said of it', async () => {
    const customer = await stripe.customers.create({ email: 'top@example.com' })
    const session = await stripe.checkout.sessions.create({
      mode: 'payment',
      customer: customer.id,
      line_items: [
        {
          price_data: { currency: 'usd', unit_amount: 1000, product_data: { name: 'Credits' } },
          quantity: 2,
        },
      ],
      payment_intent_data: { metadata: { userId: 'u1' } },
      success_url: 'http://localhost:3000/done',
    })
    await submit(session.url ?? '', { card: '4242424242424242' })
    const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent'] })
    expect(paid).toMatchObject({
      payment_status: 'paid',
      amount_total: 2000,
      payment_intent: { status: 'succeeded', amount_received: 2000, metadata: { userId: 'u1' } },
    })
  })

  test.each([
    [
      'a trial that ends too soon',
      { subscription_data: { trial_end: Math.floor(Date.now() / 1000) + dayS } },
    ],
    ['a customer and an e-mail address', { customer: 'cus_x' }],
    ['codes and discounts', { allow_promotion_codes: true, discounts: [{ coupon: 'x' }] }],
    ['no such price', { line_items: [{ price: 'price_none' }] }],
  ])('refuses %s', async (_, more) => {
    await expect(open(more)).rejects.toMatchObject({ statusCode: 400, type: 'StripeInvalidRequestError' })
  })
})

describe('the portal', () => {
  const subscribed = async () => {
    const session = await open()
    await submit(session.url ?? '', { email: 'p@example.com', card: '4242424242424242' })
    const { customer, subscription } = await stripe.checkout.sessions.retrieve(session.id)
    const portal = await stripe.billingPortal.sessions.create({ customer: customer as string })
    return { id: subscription as string, portal: portal.url }
  }

  test('cancels by date, as Stripe’s does, and takes it back', async () => {
    const { id, portal } = await subscribed()
    await submit(`${portal}/cancel`)
    const cancelled = await stripe.subscriptions.retrieve(id)
    expect(cancelled).toMatchObject({
      status: 'active',
      cancel_at: cancelled.items.data[0]?.current_period_end,
      cancel_at_period_end: false,
    })
    expect(await (await fetch(portal)).text()).toContain('Ends on')
    await submit(`${portal}/undo`)
    expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ cancel_at: null })
  })

  test('does one thing and leads back, when it was opened for it', async () => {
    const { id } = await subscribed()
    const { customer } = await stripe.subscriptions.retrieve(id)
    const portal = await stripe.billingPortal.sessions.create({
      customer: customer as string,
      flow_data: {
        type: 'payment_method_update',
        after_completion: { type: 'redirect', redirect: { return_url: 'http://localhost:3000/dashboard' } },
      },
    })
    expect(await (await fetch(portal.url)).text()).not.toContain('Cancel subscription')
    const done = await submit(`${portal.url}/card`, { card: '5555555555554444' })
    expect(done.headers.get('location')).toBe('http://localhost:3000/dashboard')
    const changed = await stripe.subscriptions.retrieve(id, { expand: ['default_payment_method'] })
    expect(changed.default_payment_method).toMatchObject({ card: { last4: '4444' } })
  })

  test('repairs a payment with a new card', async () => {
    const { id, portal } = await subscribed()
    await post(`${sandbox.url}/sim/stripe/subscriptions/${id}/fail-payment`, {})
    const { latest_invoice: invoice } = await stripe.subscriptions.retrieve(id)
    expect((await submit(`${portal}/pay/${invoice}`)).status).toBe(402)
    await submit(`${portal}/card`, { card: '5555555555554444' })
    await submit(`${portal}/pay/${invoice}`)
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('active')
  })

  test('an invoice has a page of its own that takes a card', async () => {
    const { id } = await subscribed()
    await post(`${sandbox.url}/sim/stripe/subscriptions/${id}/fail-payment`, {})
    const { data } = await stripe.invoices.list({ subscription: id, status: 'open' })
    const url = data[0]?.hosted_invoice_url ?? ''
    expect((await submit(url, { card: '4000000000000341' })).status).toBe(402)
    expect((await submit(url, { card: '4242424242424242' })).status).toBe(303)
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('active')
  })
})

test('the overview moves the clock', async () => {
  const clock = async () => Date.parse((await get<{ at: string }>(`${sandbox.url}/sim/stripe/clock`)).at)
  const before = await clock()
  await submit(`${sandbox.url}/stripe/clock`, { advanceSeconds: String(7 * dayS) })
  expect(await clock()).toBeGreaterThanOrEqual(before + 7 * dayS * 1000)
  expect(await (await fetch(`${sandbox.url}/stripe`)).text()).toContain('Stripe’s clock')
})
