import Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../index.ts'
import { post } from '../../test-support.ts'
import { apiVersion } from '../account.ts'
import { stripeAt } from '../testing.ts'

let sandbox: Sandbox
let stripe: Stripe
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  stripe = stripeAt(sandbox.url)
})
afterAll(() => sandbox.stop())

test('the version is the one that the SDK was made for', () => {
  expect(Stripe.API_VERSION).toBe(apiVersion)
})

test('customers are made, changed, listed by page and deleted', async () => {
  const made = await stripe.customers.create({
    email: 'page@example.com',
    name: 'Page One',
    metadata: { userId: 'u1', other: 'x' },
  })
  expect(made).toMatchObject({ object: 'customer', livemode: false, metadata: { userId: 'u1' } })
  const changed = await stripe.customers.update(made.id, { name: '', metadata: { other: '' } })
  expect(changed).toMatchObject({ name: null, email: 'page@example.com', metadata: { userId: 'u1' } })
  for (let index = 0; index < 4; index += 1) await stripe.customers.create({ email: 'page@example.com' })
  const seen: string[] = []
  for await (const { id } of stripe.customers.list({ email: 'page@example.com', limit: 2 })) seen.push(id)
  expect(new Set(seen).size).toBe(5)
  expect(seen.at(-1)).toBe(made.id)
  expect(await stripe.customers.del(made.id)).toMatchObject({ deleted: true })
  expect(await stripe.customers.retrieve(made.id)).toMatchObject({ deleted: true })
})

test('a card that is refused at once makes no customer', async () => {
  const email = 'refused@example.com'
  const asked = stripe.customers.create({ email, payment_method: 'pm_card_visa_chargeDeclined' })
  await expect(asked).rejects.toMatchObject({ type: 'StripeCardError', code: 'card_declined' })
  expect((await stripe.customers.list({ email })).data).toEqual([])
})

test('another’s card is nobody’s default', async () => {
  const [ada, ben] = [await stripe.customers.create(), await stripe.customers.create()]
  const card = await stripe.paymentMethods.attach('pm_card_visa', { customer: ada.id })
  const set = (id: string) =>
    stripe.customers.update(id, { invoice_settings: { default_payment_method: card.id } })
  await expect(set(ben.id)).rejects.toMatchObject({ statusCode: 400, code: 'resource_missing' })
  expect((await set(ada.id)).invoice_settings.default_payment_method).toBe(card.id)
})

test('a price is expanded with its product, in an object and in a list', async () => {
  const price = await stripe.prices.retrieve('price_sandboxMonthly', { expand: ['product'] })
  expect(price).toMatchObject({
    unit_amount: 2000,
    recurring: { interval: 'month' },
    product: { name: 'Assistant' },
  })
  const { data } = await stripe.prices.list({ expand: ['data.product'] })
  expect(data[0]?.product).toMatchObject({ object: 'product' })
  await expect(stripe.prices.list({ expand: ['data.nothing'] })).rejects.toMatchObject({ statusCode: 400 })
})

describe('errors come as Stripe’s', () => {
  test('an object that is not there', async () => {
    const error = await stripe.subscriptions.retrieve('sub_none').catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError)
    expect(error).toMatchObject({
      statusCode: 404,
      code: 'resource_missing',
      param: 'id',
      message: "No such subscription: 'sub_none'",
      requestId: expect.stringMatching(/^req_/),
    })
  })

  test.each([
    ['an unknown parameter', { emial: 'x' }, 'parameter_unknown', 'emial'],
    ['metadata that is no object', { metadata: 'x' }, undefined, 'metadata'],
  ])('%s', async (_, body, code, param) => {
    const asked = stripe.customers.create(body as Stripe.CustomerCreateParams)
    await expect(asked).rejects.toMatchObject({ statusCode: 400, code, param })
  })

  test('no key, a live key, an unknown path', async () => {
    const ask = (headers: Record<string, string>, path = '/v1/customers') =>
      fetch(`${sandbox.url}/stripe${path}`, { headers })
    expect((await ask({})).status).toBe(401)
    expect((await ask({ authorization: 'Bearer sk_live_1' })).status).toBe(401)
    const unknown = await ask({ authorization: 'Bearer sk_test_1' }, '/v1/nothing')
    expect([unknown.status, await unknown.json()]).toMatchObject([
      404,
      {
        error: {
          type: 'invalid_request_error',
          message: expect.stringContaining('Unrecognized request URL'),
        },
      },
    ])
  })

  test('faults are in Stripe’s words, and the SDK’s own retries get past them', async () => {
    await post(`${sandbox.url}/sim/faults`, { provider: 'stripe', status: 429, count: 1 })
    await expect(stripe.customers.list()).rejects.toBeInstanceOf(Stripe.errors.StripeRateLimitError)
    // The SDK tries a cut connection again by itself.
    await post(`${sandbox.url}/sim/faults`, { provider: 'stripe', dropRate: 1, count: 2 })
    await expect(stripe.customers.list()).rejects.toBeInstanceOf(Stripe.errors.StripeConnectionError)
    await post(`${sandbox.url}/sim/faults`, { provider: 'stripe', status: 500, count: 2 })
    expect((await stripe.customers.create({}, { maxNetworkRetries: 2 })).id).toMatch(/^cus_/)
  })
})

describe('an idempotency key', () => {
  test('repeats the first answer, once made', async () => {
    const idempotencyKey = 'once'
    const first = await stripe.customers.create({ name: 'Once' }, { idempotencyKey })
    const second = await stripe.customers.create({ name: 'Once' }, { idempotencyKey })
    expect(second.id).toBe(first.id)
    expect(second.lastResponse.headers['idempotent-replayed']).toBe('true')
  })

  test('makes one thing of a request whose answer was lost', async () => {
    await post(`${sandbox.url}/sim/faults`, { provider: 'stripe', loseAnswer: true, count: 1 })
    await stripe.customers.create({ email: 'lost@example.com' }, { maxNetworkRetries: 1 })
    expect((await stripe.customers.list({ email: 'lost@example.com' })).data).toHaveLength(1)
  })

  test('refuses other parameters', async () => {
    await stripe.customers.create({ name: 'A' }, { idempotencyKey: 'other' })
    const asked = stripe.customers.create({ name: 'B' }, { idempotencyKey: 'other' })
    await expect(asked).rejects.toBeInstanceOf(Stripe.errors.StripeIdempotencyError)
  })

  test('may be used again after a refusal of the parameters', async () => {
    const wrong = stripe.customers.create({ email: 'x', nope: 1 } as object, { idempotencyKey: 'mend' })
    await expect(wrong).rejects.toMatchObject({ statusCode: 400 })
    expect((await stripe.customers.create({}, { idempotencyKey: 'mend' })).object).toBe('customer')
  })
})
