import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BillingFixture, createBillingFixture, payAt } from '../../testing/billing.ts'
import { isEntitled } from '../assistant/require-entitlement.ts'
import { applyStripeEvent } from './apply-event.ts'
import { readCustomer } from './read-customer.ts'

let at: BillingFixture
beforeAll(async () => {
  at = await createBillingFixture()
})
afterAll(() => at.close())

const stripeOf = async (userId: string) => {
  const { stripeCustomerId: customer } = await at.db.billingAccount.findUniqueOrThrow({ where: { userId } })
  const { data } = await at.stripe.subscriptions.list({ customer, limit: 1 })
  return { customer, live: data[0]?.id }
}
const post = (url: string, form: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', body: new URLSearchParams(form) })
const portal = async (userId: string) => {
  const { customer } = await stripeOf(userId)
  return (await at.stripe.billingPortal.sessions.create({ customer })).url
}

/** What people, banks and time do at Stripe. */
const deeds = {
  async buy(userId: string) {
    const url = await at.checkout(userId).catch(() => undefined)
    if (url?.includes('/checkout/')) await payAt(url)
  },
  async cancelNow(userId: string) {
    const { live } = await stripeOf(userId)
    if (live) await at.stripe.subscriptions.cancel(live)
  },
  async cancelLater(userId: string) {
    await post(`${await portal(userId)}/cancel`)
  },
  async takeBack(userId: string) {
    await post(`${await portal(userId)}/undo`)
  },
  async cardFails(userId: string) {
    const { live } = await stripeOf(userId)
    if (live) await at.sim(`stripe/subscriptions/${live}/fail-payment`)
  },
  async repair(userId: string) {
    const url = await portal(userId)
    await post(`${url}/card`, { card: '4242424242424242' })
    const { customer } = await stripeOf(userId)
    const open = await at.stripe.invoices.list({ customer, status: 'open' })
    for (const { id } of open.data) await post(`${url}/pay/${id}`)
  },
  async days(_: string) {
    await at.pass({ days: 2, hours: 2 })
  },
  async weeks(_: string) {
    await at.pass({ days: 9 })
  },
}
type Deed = keyof typeof deeds

/** How what Stripe sends arrives after a deed: not at all for now, or in any order, some of it twice, some at once. */
const arrival = fc.record({
  order: fc.infiniteStream(fc.nat()),
  lost: fc.boolean(),
  repeat: fc.boolean(),
  atOnce: fc.integer({ min: 1, max: 4 }),
})
const life = fc.array(fc.tuple(fc.constantFrom<Deed>(...(Object.keys(deeds) as Deed[])), arrival), {
  minLength: 2,
  maxLength: 6,
})

type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never

async function deliver(ids: string[], { order, repeat, atOnce }: Arrival): Promise<void> {
  const queue = (repeat ? [...ids, ...ids] : ids)
    .map((eventId) => ({ eventId, place: order.next().value ?? 0 }))
    .sort((a, b) => a.place - b.place)
  for (let next = 0; next < queue.length; next += atOnce) {
    const some = queue.slice(next, next + atOnce)
    await Promise.all(some.map(({ eventId }) => applyStripeEvent({ ctx: at.ctx, input: { eventId } })))
  }
}

/** What a person has in the end; ids and the times of our own doing are left out. */
async function stateOf(userId: string) {
  const user = await at.db.user.findUniqueOrThrow({
    where: { id: userId },
    include: {
      subscriptions: {
        // Two of one second have no order of their own.
        orderBy: { stripeSubscriptionId: 'asc' },
        omit: { id: true, updatedAt: true, provisionedAt: true },
      },
      creditEntries: { select: { amountMicros: true, reason: true } },
      assistant: { select: { desired: true, suspendedReasons: true, model: true } },
      lapse: { select: { userId: true } },
    },
  })
  const { subscriptions, creditEntries, assistant, lapse } = user
  return { subscriptions, creditEntries, assistant, isLapsed: lapse !== null }
}

/** As if none of it had ever been heard of. */
async function forget(userId: string): Promise<void> {
  await at.db.subscription.deleteMany({ where: { userId } })
  await at.db.creditEntry.deleteMany({ where: { userId } })
  await at.db.lapse.deleteMany({ where: { userId } })
  await at.db.assistant.update({
    where: { userId },
    data: { status: 'NONE', desired: 'ABSENT', suspendedReasons: [], suspendedAt: null, hostServerId: null },
  })
  await at.db.stripeEvent.updateMany({ data: { processedAt: null } })
}

async function expectAsStripeSays(userId: string): Promise<void> {
  const { customer } = await stripeOf(userId)
  const facts = await readCustomer(at.stripe, customer)
  const state = await stateOf(userId)
  const told = facts
    .map(({ unpaid: _, amountCents: __, canceledAt: ___, ...rest }) => ({ userId, ...rest }))
    .sort((a, b) => (a.stripeSubscriptionId < b.stripeSubscriptionId ? -1 : 1))
  expect(state.subscriptions).toEqual(told)
  const entitled = await isEntitled(at.db, userId, new Date(at.clock.now()))
  expect(state.isLapsed).toBe(!entitled && state.assistant?.desired === 'PRESENT')
  expect(state.assistant?.suspendedReasons).toEqual(state.isLapsed ? ['unpaid'] : [])
  const wasEverPaid = facts.some(({ isFirst }) => isFirst)
  expect(state.creditEntries.length).toBeLessThanOrEqual(wasEverPaid ? 1 : 0)
}

test('B1, B3: shuffled, repeated, lost and replayed events of real lives lead to what Stripe says', async () => {
  await at.sim('stripe/dunning', { retryDays: [3, 5, 7], outcome: 'cancel' })
  await fc.assert(
    fc.asyncProperty(
      life,
      arrival,
      fc.array(arrival, { minLength: 2, maxLength: 3 }),
      async (lived, last, tries) => {
        const { userId } = await at.signUp()
        const pending: string[] = []
        const heard: string[] = []
        for (const [deed, how] of [['buy', last] as const, ...lived]) {
          await deeds[deed](userId)
          for (const event of await at.events()) {
            await at.receiveEvent(event)
            pending.push(event.id)
          }
          at.jobs.length = 0
          if (how.lost) continue
          const arriving = pending.splice(0)
          heard.push(...arriving)
          await deliver(arriving, how)
        }
        // What was lost is replayed.
        await deliver(pending, last)
        await expectAsStripeSays(userId)

        // The whole life heard at once, in whatever order.
        const all = [...heard, ...pending]
        const states: unknown[] = []
        for (const how of tries) {
          await forget(userId)
          await deliver(all, how)
          await expectAsStripeSays(userId)
          states.push(await stateOf(userId))
        }
        for (const state of states) expect(state).toEqual(states[0])
      },
    ),
    { numRuns: Number(process.env.RUNS ?? 3), endOnFailure: true },
  )
}, 120_000)
