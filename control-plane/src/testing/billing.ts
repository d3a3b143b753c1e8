import type Stripe from 'stripe'
import { startSandbox } from '../../../sandbox/src/index.ts'
import { inTransaction } from '../context.ts'
import { createStripe } from '../lib/stripe.ts'
import { createVault } from '../lib/vault.ts'
import { ensureUser } from '../services/account/ensure-user.ts'
import { createFixture } from '../services/conversation/fixtures.ts'
import { applyStripeEvent } from '../services/subscription/apply-event.ts'
import type { BillingCtx, BillingJob } from '../services/subscription/ctx.ts'
import { receiveStripeEvent } from '../services/subscription/receive-event.ts'
import { startCheckout } from '../services/subscription/start-checkout.ts'
import { sweepAccess } from '../services/subscription/sweep-access.ts'
import { syncCustomer } from '../services/subscription/sync-customer.ts'

/** For tests: a database, a Stripe of its own, and one clock for both that is set by hand. */
export async function createBillingFixture() {
  const [fixture, sandbox] = await Promise.all([createFixture(), startSandbox({ port: 0 })])
  const { clock, db } = fixture
  const stripe = createStripe({ secretKey: 'sk_test_billing', apiBase: sandbox.url })
  const vault = createVault(`t:${Buffer.alloc(32, 't').toString('base64')}`)
  const jobs: BillingJob[] = []
  const billingJobs = {
    enqueue: async (_: unknown, more: readonly BillingJob[]) => {
      jobs.push(...more)
    },
  }
  const ctx: BillingCtx = { ...fixture.ctx, stripe, vault, billingJobs, priceId: 'price_sandboxMonthly' }
  clock.at = Date.now()
  const received = new Set<string>()

  const sim = (path: string, body: object = {}) =>
    fetch(`${sandbox.url}/sim/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  /** Everything that Stripe has to say, oldest first. */
  async function events(): Promise<Stripe.Event[]> {
    const all: Stripe.Event[] = []
    for await (const event of stripe.events.list({ limit: 100 })) all.push(event)
    return all.reverse()
  }
  async function receive({ id, type, data }: Stripe.Event) {
    const { object } = data as { object: { object: string; id?: string; customer?: string } }
    const customer = object.object === 'customer' ? object.id : object.customer
    const about = { object: object.object, id: object.id ?? null, customer: customer ?? null }
    await receiveStripeEvent({ ctx, input: { id, type, object: about } })
  }
  async function work() {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      if ('eventId' in job) await applyStripeEvent({ ctx, input: job })
      else await syncCustomer({ ctx, input: job })
    }
  }

  return {
    ...fixture,
    ctx,
    stripe,
    sandbox,
    jobs,
    sim,
    events,
    receive,
    work,
    /** What is new at Stripe arrives and is applied. */
    async hear() {
      const fresh = (await events()).filter(({ id }) => !received.has(id))
      for (const event of fresh) {
        received.add(event.id)
        await receive(event)
      }
      await work()
    },
    /** Time passes for Stripe and for us; then our schedule runs. Stripe's events are yet to be heard. */
    async pass({ days = 0, hours = 0 }: { days?: number; hours?: number }) {
      const advanceSeconds = days * 86_400 + hours * 3_600
      await sim('stripe/clock', { advanceSeconds })
      clock.at += advanceSeconds * 1000
      await sweepAccess({ ctx })
    },
    async signUp(email = `${crypto.randomUUID()}@example.test`) {
      const { id } = await inTransaction(ctx, (tx) => ensureUser(tx, { email, name: 'Ada' }))
      return { userId: id, email }
    },
    async checkout(userId: string, more: { model?: string } = {}) {
      const paths = { successPath: '/dashboard?paid=1', cancelPath: '/pricing' }
      const { url } = await startCheckout({ ctx, input: { userId, ...paths, ...more } })
      return url
    },
    /** What mail a person was to get, in order. */
    async mails(email: string) {
      const rows = await db.mail.findMany({ where: { recipients: { has: email } }, orderBy: { id: 'asc' } })
      return rows.map(({ template }) => template)
    },
    async close() {
      await Promise.all([sandbox.stop(), fixture.close()])
    },
  }
}

export type BillingFixture = Awaited<ReturnType<typeof createBillingFixture>>

/** Pays on Stripe's page, as a person does. Answers the status of the page, 303 when it was paid. */
export async function payAt(url: string, card = '4242424242424242'): Promise<number> {
  const answer = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ card, email: 'payer@example.test' }),
  })
  return answer.status
}
