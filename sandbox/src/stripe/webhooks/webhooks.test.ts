import type Stripe from 'stripe'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Sandbox, startSandbox } from '../../index.ts'
import { get, post, rawReceiver } from '../../test-support.ts'
import { stripeAt } from '../testing.ts'
import type { Delivery } from './deliveries.ts'

let sandbox: Sandbox
let stripe: Stripe
let receiver: Awaited<ReturnType<typeof rawReceiver>>
let refusals = 0
const secret = 'whsec_known'

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
  stripe = stripeAt(sandbox.url)
  receiver = await rawReceiver(() => (refusals-- > 0 ? 500 : 200))
  await post(`${sandbox.url}/sim/stripe/webhook`, { url: receiver.url, secret })
})
afterEach(async () => {
  refusals = 0
  await sandbox.stop()
  receiver.stop()
})

const names = () =>
  receiver.requests.map(
    ({ body }) => (JSON.parse(body) as { data: { object: { name: string } } }).data.object.name,
  )
const arrived = (count: number) => vi.waitUntil(() => receiver.requests.length >= count)
const create = async (...given: string[]) => {
  for (const name of given) await stripe.customers.create({ name })
}

test('an event is signed so that the SDK believes it, and no other', async () => {
  await stripe.customers.create({ name: 'Ada' }, { idempotencyKey: 'k1' })
  await arrived(1)
  const { body, headers } = receiver.requests[0] ?? { body: '', headers: {} }
  const signature = headers['stripe-signature'] ?? ''
  const event = stripe.webhooks.constructEvent(body, signature, secret)
  expect(event).toMatchObject({ type: 'customer.created', request: { idempotency_key: 'k1' } })
  expect(await stripe.events.retrieve(event.id)).toMatchObject({ id: event.id, type: event.type })
  expect(() => stripe.webhooks.constructEvent(`${body} `, signature, secret)).toThrow()
  expect(() => stripe.webhooks.constructEvent(body, signature, 'whsec_other')).toThrow()
})

test('what is refused is delivered again until it is taken, and holds nothing up', async () => {
  refusals = 1
  await create('first', 'second')
  await arrived(3)
  expect(names()).toEqual(['first', 'second', 'first'])
  const deliveries = () => get<Delivery[]>(`${sandbox.url}/sim/stripe/deliveries`)
  await vi.waitUntil(async () => (await deliveries()).every(({ state }) => state === 'delivered'))
  expect(await deliveries()).toMatchObject([{ attempts: 2, status: 200 }, { attempts: 1 }])
})

test('events are held, and released backwards and twice', async () => {
  await post(`${sandbox.url}/sim/stripe/deliveries`, { mode: 'hold' })
  await create('a', 'b', 'c')
  await post(`${sandbox.url}/sim/stripe/deliveries/release`, { order: 'reversed', repeat: 2 })
  await arrived(6)
  expect(names()).toEqual(['c', 'b', 'a', 'c', 'b', 'a'])
})

test('events are dropped or repeated by their type, until reset, and delivered again on request', async () => {
  await post(`${sandbox.url}/sim/stripe/deliveries`, { mode: 'drop', types: ['customer.created'] })
  await create('lost')
  await post(`${sandbox.url}/sim/stripe/deliveries`, { repeat: 2 })
  await create('twice')
  await arrived(2)
  await post(`${sandbox.url}/sim/reset`, {})
  await create('once')
  await arrived(3)
  const { data } = await stripe.events.list({ type: 'customer.created' })
  await post(`${sandbox.url}/sim/stripe/events/${data.at(-1)?.id}/deliver`, {})
  await arrived(4)
  expect(names()).toEqual(['twice', 'twice', 'once', 'lost'])
})

test('an endpoint made through the API has a secret of its own, told once, and gets what it asked for', async () => {
  const own = await rawReceiver()
  const endpoint = await stripe.webhookEndpoints.create({
    url: own.url,
    enabled_events: ['customer.deleted'],
  })
  expect(endpoint.secret).toMatch(/^whsec_\w{32}$/)
  expect((await stripe.webhookEndpoints.retrieve(endpoint.id)).secret).toBeUndefined()
  const customer = await stripe.customers.create()
  await stripe.customers.del(customer.id)
  await vi.waitUntil(() => own.requests.length === 1)
  const { body, headers } = own.requests[0] ?? { body: '', headers: {} }
  const event = stripe.webhooks.constructEvent(body, headers['stripe-signature'] ?? '', endpoint.secret ?? '')
  expect(event.type).toBe('customer.deleted')
  own.stop()
})
