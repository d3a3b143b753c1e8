import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type BillingFixture, createBillingFixture, payAt } from '../../testing/billing.ts'
import { readProfile } from '../account/read-profile.ts'
import { changeModel } from '../assistant/change-model.ts'
import { createAssistant } from '../assistant/create-assistant.ts'
import { requireEntitlement } from '../assistant/require-entitlement.ts'
import { restartAssistant } from '../assistant/restart-assistant.ts'
import { cancelSubscription, resumeSubscription } from './change-cancellation.ts'
import { checkPrice } from './check-price.ts'
import { openPortal } from './open-portal.ts'
import { readSubscription } from './read-subscription.ts'
import { startCheckout } from './start-checkout.ts'
import { syncCustomer } from './sync-customer.ts'
import { createTopUpPages } from './top-ups.ts'

let at: BillingFixture
beforeAll(async () => {
  at = await createBillingFixture()
})
beforeEach(() => at.sim('reset'))
afterAll(() => at.close())

const subscriptionOf = (userId: string) => at.db.subscription.findMany({ where: { userId } })
const assistantOf = (userId: string) => at.db.assistant.findUniqueOrThrow({ where: { userId } })
const creditOf = async (userId: string) =>
  (await at.db.creditEntry.findMany({ where: { userId } })).map(({ amountMicros }) => amountMicros)
const view = (userId: string) => readSubscription({ ctx: at.ctx, input: { userId } })
/** The same as every page shows it beside its own matter. */
const shown = async (userId: string) => (await readProfile({ ctx: at.ctx, input: { userId } })).subscription
const isEntitled = (userId: string) =>
  requireEntitlement(at.db, userId, new Date(at.clock.now())).then(
    () => true,
    () => false,
  )

/** Signed up, paid, and heard of. */
async function subscriber(email?: string) {
  const person = await at.signUp(email)
  expect(await payAt(await at.checkout(person.userId))).toBe(303)
  await at.hear()
  const [row] = await subscriptionOf(person.userId)
  return { ...person, subscriptionId: row?.stripeSubscriptionId ?? '' }
}

test('B1, B6: a paid checkout stores the subscription, grants the credit and starts the assistant, browser closed', async () => {
  const { userId, email } = await at.signUp()
  expect(await view(userId)).toMatchObject({ status: 'NONE', trialDays: 2, stale: false })
  const model = 'openai/gpt-4o-mini'
  expect(await payAt(await at.checkout(userId, { model }))).toBe(303)
  expect(await subscriptionOf(userId)).toEqual([])
  await at.hear()
  const [row, ...others] = await subscriptionOf(userId)
  expect(others).toEqual([])
  expect(row).toMatchObject({ status: 'ACTIVE', cancelAtPeriodEnd: false, provisionedAt: expect.any(Date) })
  expect(row?.trialEnd?.getTime()).toBeCloseTo(Date.now() + 2 * 86_400_000, -5)
  expect(await creditOf(userId)).toEqual([10_000_000n])
  expect(await assistantOf(userId)).toMatchObject({ status: 'PROVISIONING', desired: 'PRESENT', model })
  expect(await at.mails(email)).toEqual(['subscription-confirmed'])
  expect(await at.mails('operator@example.com')).toContain('operator-new-subscriber')
  expect(await view(userId)).toMatchObject({
    status: 'ACTIVE',
    isTrial: true,
    nextCharge: { amountCents: 2_000, currency: 'usd' },
    stale: false,
  })
})

test('B2: a person has one customer, one page at a time, and one subscription', async () => {
  const { userId, email } = await at.signUp()
  const urls = await Promise.all([at.checkout(userId), at.checkout(userId), at.checkout(userId)])
  expect(new Set(urls).size).toBe(1)
  expect((await at.stripe.customers.list({ email })).data).toHaveLength(1)
  expect(await at.checkout(userId)).toBe(urls[0])
  // Another wish ends the page that is open.
  const other = await startCheckout({
    ctx: at.ctx,
    input: { userId, successPath: '/other', cancelPath: '/' },
  })
  expect(other.url).not.toBe(urls[0])
  expect(await payAt(urls[0] ?? '')).toBe(410)
  expect(await payAt(other.url)).toBe(303)
  // Our copy knows nothing yet, and still nothing is sold twice.
  await expect(at.checkout(userId)).rejects.toMatchObject({ status: 409, code: 'already_subscribed' })
})

test('B2: of two subscriptions that were paid at once the older stays, and the other is canceled', async () => {
  const { userId, subscriptionId } = await subscriber()
  const { stripeCustomerId: customer } = await at.db.billingAccount.findUniqueOrThrow({ where: { userId } })
  const second = await at.stripe.subscriptions.create({
    customer,
    items: [{ price: at.ctx.priceId }],
    trial_period_days: 2,
  })
  await at.hear()
  await at.hear()
  expect((await at.stripe.subscriptions.retrieve(second.id)).status).toBe('canceled')
  expect((await at.stripe.subscriptions.retrieve(subscriptionId)).status).toBe('trialing')
  const rows = await subscriptionOf(userId)
  expect(rows.map(({ stripeSubscriptionId: id, status }) => [id, status])).toEqual([
    [subscriptionId, 'ACTIVE'],
    [second.id, 'CANCELED'],
  ])
  expect(await view(userId)).toMatchObject({ status: 'ACTIVE' })
  expect(await creditOf(userId)).toEqual([10_000_000n])
})

test('B2, B6: a person who comes back has neither a second trial nor a second credit, with a new account neither', async () => {
  const { userId, email, subscriptionId } = await subscriber()
  await at.stripe.subscriptions.cancel(subscriptionId)
  await at.hear()
  expect(await view(userId)).toMatchObject({ status: 'CANCELED', trialDays: 0 })
  expect(await payAt(await at.checkout(userId))).toBe(303)
  await at.hear()
  expect(await view(userId)).toMatchObject({ status: 'ACTIVE', isTrial: false })
  expect(await creditOf(userId)).toEqual([10_000_000n])
  expect(await assistantOf(userId)).toMatchObject({ desired: 'PRESENT', suspendedReasons: [] })

  await at.db.user.delete({ where: { id: userId } })
  const again = await at.signUp(email)
  expect(await view(again.userId)).toMatchObject({ status: 'NONE', trialDays: 0 })
  expect(await payAt(await at.checkout(again.userId))).toBe(303)
  await at.hear()
  expect(await view(again.userId)).toMatchObject({ status: 'ACTIVE', isTrial: false })
  expect(await creditOf(again.userId)).toEqual([])
})

test('B2: a card that is refused leaves the page open, and nothing is stored', async () => {
  const { userId } = await at.signUp()
  const url = await at.checkout(userId)
  expect(await payAt(url, '4000000000000002')).toBe(402)
  await at.hear()
  expect(await subscriptionOf(userId)).toEqual([])
  expect(await at.checkout(userId)).toBe(url)
})

test('B3: canceled, taken back, canceled in the portal, and over', async () => {
  const { userId, email, subscriptionId } = await subscriber()
  const input = { userId }
  for (const _ of ['once', 'again']) await cancelSubscription({ ctx: at.ctx, input })
  expect(await view(userId)).toMatchObject({ status: 'ACTIVE', cancelAtPeriodEnd: true })
  expect(await view(userId)).not.toHaveProperty('nextCharge')
  for (const _ of ['once', 'again']) await resumeSubscription({ ctx: at.ctx, input })
  expect(await view(userId)).toMatchObject({ status: 'ACTIVE', cancelAtPeriodEnd: false })
  await at.pass({ hours: 1 })
  // The portal sets the date, and leaves the flag.
  const { url } = await openPortal({ ctx: at.ctx, input: { userId, returnPath: '/dashboard' } })
  await fetch(`${url}/cancel`, { method: 'POST' })
  await at.hear()
  expect(await view(userId)).toMatchObject({ cancelAtPeriodEnd: true, cancelAt: expect.any(String) })
  await resumeSubscription({ ctx: at.ctx, input })
  expect(await view(userId)).toMatchObject({ cancelAtPeriodEnd: false })
  await at.pass({ hours: 1 })
  await fetch(`${url}/cancel`, { method: 'POST' })
  await at.hear()
  await at.pass({ days: 2, hours: 1 })
  await at.hear()
  expect((await at.stripe.subscriptions.retrieve(subscriptionId)).status).toBe('canceled')
  expect(await view(userId)).toMatchObject({ status: 'CANCELED', deleteAfter: expect.any(String) })
  expect(await isEntitled(userId)).toBe(false)
  expect(await assistantOf(userId)).toMatchObject({ desired: 'PRESENT', suspendedReasons: ['unpaid'] })
  await expect(resumeSubscription({ ctx: at.ctx, input })).rejects.toMatchObject({
    code: 'subscription_ended',
  })
  const canceled = ['subscription-canceled', 'subscription-canceled', 'subscription-canceled']
  expect(await at.mails(email)).toEqual(['subscription-confirmed', ...canceled, 'assistant-suspended'])
})

test('B3: an unpaid month: mail and grace, then suspended, announced, deleted', async () => {
  const { userId, email, subscriptionId } = await subscriber()
  await at.sim('stripe/dunning', { retryDays: [3, 5, 7], outcome: 'unpaid' })
  await at.pass({ hours: 30 })
  expect(await at.mails(email)).toEqual(['subscription-confirmed', 'trial-ending'])
  await at.sim(`stripe/subscriptions/${subscriptionId}/fail-payment`)
  await at.hear()
  const { graceEnd } = await view(userId)
  expect(graceEnd).toEqual(expect.any(String))
  expect(await shown(userId)).toMatchObject({ status: 'PAST_DUE', graceEnd })
  expect(await isEntitled(userId)).toBe(true)
  expect(await at.mails(email)).toEqual(['subscription-confirmed', 'trial-ending', 'payment-failed'])
  // Stripe tries again, in vain: the grace is not longer for that.
  await at.pass({ days: 6 })
  await at.hear()
  expect(await isEntitled(userId)).toBe(true)
  expect(await assistantOf(userId)).toMatchObject({ suspendedReasons: [] })
  await at.pass({ days: 1, hours: 1 })
  await at.hear()
  expect(await isEntitled(userId)).toBe(false)
  expect(await assistantOf(userId)).toMatchObject({ desired: 'PRESENT', suspendedReasons: ['unpaid'] })
  expect(await shown(userId)).toMatchObject({ deleteAfter: expect.any(String) })
  // Past due is not over: the portal repairs it, and nothing is sold twice (B2).
  expect(await at.checkout(userId)).toContain('/portal/')
  await at.pass({ days: 22 })
  await at.hear()
  expect(await at.mails(email)).not.toContain('deletion-ahead')
  await at.pass({ days: 2 })
  await at.hear()
  expect(await assistantOf(userId)).toMatchObject({ desired: 'PRESENT' })
  expect((await at.mails(email)).slice(3)).toEqual(['assistant-suspended', 'deletion-ahead'])
  await at.pass({ days: 7 })
  expect(await assistantOf(userId)).toMatchObject({ desired: 'ABSENT' })
  expect(await at.db.lapse.count({ where: { userId } })).toBe(0)
  expect(await at.db.message.count({ where: { userId } })).toBe(0)
})

test('B3: a payment within the retention brings the assistant back whole', async () => {
  const { userId, subscriptionId } = await subscriber()
  await at.sim('stripe/dunning', { retryDays: [3], outcome: 'unpaid' })
  await at.sim(`stripe/subscriptions/${subscriptionId}/fail-payment`)
  await at.hear()
  await at.pass({ days: 8 })
  await at.hear()
  const before = await assistantOf(userId)
  expect(before).toMatchObject({ suspendedReasons: ['unpaid'] })
  const url = await at.checkout(userId)
  await fetch(`${url}/card`, { method: 'POST', body: new URLSearchParams({ card: '4242424242424242' }) })
  const open = await at.stripe.invoices.list({ subscription: subscriptionId, status: 'open' })
  for (const { id } of open.data) await fetch(`${url}/pay/${id}`, { method: 'POST' })
  await at.hear()
  expect(await view(userId)).toMatchObject({ status: 'ACTIVE', isTrial: false })
  expect(await view(userId)).not.toHaveProperty('deleteAfter')
  const after = await assistantOf(userId)
  expect(after).toMatchObject({ id: before.id, desired: 'PRESENT', suspendedReasons: [], suspendedAt: null })
})

test('B3: a failed payment that Stripe gives up ends the subscription, and a new checkout brings everything back', async () => {
  const { userId, email, subscriptionId } = await subscriber()
  await at.sim('stripe/dunning', { retryDays: [3, 5, 7], outcome: 'cancel' })
  await at.sim(`stripe/subscriptions/${subscriptionId}/fail-payment`)
  await at.hear()
  await at.pass({ days: 16 })
  await at.hear()
  expect(await view(userId)).toMatchObject({ status: 'CANCELED', trialDays: 0 })
  expect(await at.mails(email)).toContain('subscription-canceled')
  expect(await assistantOf(userId)).toMatchObject({ suspendedReasons: ['unpaid'] })
  expect(await payAt(await at.checkout(userId))).toBe(303)
  await at.hear()
  expect(await assistantOf(userId)).toMatchObject({ desired: 'PRESENT', suspendedReasons: [] })
})

test('B1: a subscription whose old assistant is still being deleted starts the new one when that is done', async () => {
  const { userId, subscriptionId } = await subscriber()
  const host = await at.db.hostServer.create({ data: { name: crypto.randomUUID() } })
  const where = { userId }
  await at.db.assistant.update({ where, data: { desired: 'ABSENT', hostServerId: host.id } })
  await at.stripe.subscriptions.cancel(subscriptionId)
  await at.hear()
  expect(await payAt(await at.checkout(userId))).toBe(303)
  await at.hear()
  expect(await view(userId)).toMatchObject({ status: 'ACTIVE' })
  expect(await assistantOf(userId)).toMatchObject({ desired: 'ABSENT' })
  await at.db.assistant.update({ where, data: { status: 'NONE', hostServerId: null } })
  await at.pass({ hours: 1 })
  expect(await assistantOf(userId)).toMatchObject({ desired: 'PRESENT', status: 'PROVISIONING' })
})

test('B3: when Stripe is away the copy answers, marked stale, and nothing is sold', async () => {
  const { userId } = await subscriber()
  await at.sim('faults', { provider: 'stripe', status: 500 })
  expect(await view(userId)).toMatchObject({ status: 'ACTIVE', stale: true, invoices: [] })
  const unavailable = { status: 503, code: 'stripe_unavailable' }
  await expect(at.checkout(userId)).rejects.toMatchObject(unavailable)
  await expect(cancelSubscription({ ctx: at.ctx, input: { userId } })).rejects.toMatchObject(unavailable)
})

test('B1: what an older read of Stripe saw is not written over what a newer one did', async () => {
  const { userId } = await subscriber()
  await at.db.billingAccount.update({ where: { userId }, data: { readApplied: 1_000 } })
  await cancelSubscription({ ctx: at.ctx, input: { userId } })
  expect(await subscriptionOf(userId)).toMatchObject([{ cancelAtPeriodEnd: false }])
  await at.db.billingAccount.update({ where: { userId }, data: { readsBegun: 1_000 } })
  await syncCustomer({ ctx: at.ctx, input: { userId } })
  expect(await subscriptionOf(userId)).toMatchObject([{ cancelAtPeriodEnd: true }])
})

test('B1, B6: a top-up is credited once when it was paid, and taken back when the money is', async () => {
  const { userId, email } = await at.signUp()
  const open = createTopUpPages(at.ctx)
  const input = { userId, email, successUrl: 'https://web.test/usage', cancelUrl: 'https://web.test/usage' }
  const { url } = await open({ ...input, amountCents: 1_000 })
  expect(url).toBe((await open({ ...input, amountCents: 1_000 })).url)
  await at.hear()
  expect(await creditOf(userId)).toEqual([])
  expect(await payAt(url)).toBe(303)
  await at.hear()
  await syncCustomer({ ctx: at.ctx, input: { userId } })
  expect(await creditOf(userId)).toEqual([10_000_000n])
  const { data } = await at.stripe.checkout.sessions.list({ limit: 1 })
  await at.stripe.refunds.create({ payment_intent: String(data[0]?.payment_intent), amount: 400 })
  await at.hear()
  expect((await creditOf(userId)).sort()).toEqual([-4_000_000n, 10_000_000n].sort())
  // It is no subscription, and sells none.
  expect(await subscriptionOf(userId)).toEqual([])
  expect(await assistantOf(userId)).toMatchObject({ desired: 'ABSENT' })
})

test('B7: Stripe charges what the plan says, and another price is noticed', async () => {
  expect(await checkPrice({ ctx: at.ctx })).toBe(true)
  const product = await at.stripe.products.create({ name: 'Other' })
  const recurring = { interval: 'month' } as const
  const price = { product: product.id, currency: 'usd', unit_amount: 2_500, recurring }
  const { id: priceId } = await at.stripe.prices.create(price)
  expect(await checkPrice({ ctx: { ...at.ctx, priceId } })).toBe(false)
})

test('I8: who pays for nothing is answered nothing and changes nothing, from the moment it ends', async () => {
  const { userId, subscriptionId } = await subscriber()
  const address = crypto.randomUUID()
  await at.db.userPhone.create({ data: { userId, channel: 'TELEGRAM', address } })
  expect(await at.receive(address, 'hello')).toMatchObject({ outcome: 'accepted' })
  await at.stripe.subscriptions.cancel(subscriptionId)
  await at.hear()
  expect(await at.receive(address, 'still there?')).toMatchObject({
    outcome: 'refused',
    code: 'not_entitled',
  })
  const refused = { status: 402, code: 'not_entitled' }
  const { ctx } = at
  const input = { userId }
  await expect(createAssistant({ ctx, vault: ctx.vault, input })).rejects.toMatchObject(refused)
  await expect(restartAssistant({ ctx, input })).rejects.toMatchObject(refused)
  const change = changeModel({ ctx, input: { userId, model: 'anthropic/claude-haiku-4-5-20251001' } })
  await expect(change).rejects.toMatchObject(refused)
})
