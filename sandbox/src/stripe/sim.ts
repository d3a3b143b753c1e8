import { Hono } from 'hono'
import { z } from 'zod'
import type { Env } from '../faults.ts'
import { BadInput, read } from '../sim/input.ts'
import type { Account } from './account.ts'
import { StripeError } from './api/errors.ts'
import { pagesOf } from './api/route.ts'
import { advance, settle } from './clock.ts'
import { collect, methodFor } from './resources/collection.ts'
import { closeDispute, openDispute } from './resources/refunds.ts'
import { renewAndCollect } from './resources/subscription-periods.ts'
import { deliveryOrder } from './webhooks/deliveries.ts'
import { createEndpoint } from './webhooks/endpoints.ts'

/** Five years at most: what renews on the way is done one after the other. */
export const clockInput = z.object({
  advanceSeconds: z.coerce
    .number()
    .int()
    .positive()
    .max(5 * 366 * 86_400),
})
const webhookInput = z.object({
  url: z.url(),
  secret: z.string().startsWith('whsec_').optional(),
  events: z.array(z.string()).min(1).default(['*']),
})
const dunningInput = z.object({
  retryDays: z.array(z.int().positive()).max(8),
  outcome: z.enum(['cancel', 'unpaid', 'past_due']),
})
const releaseInput = z.object({
  /** Ids say which and in what order; the others are lost. */
  order: z.union([z.enum(['created', 'reversed']), z.array(z.string())]).default('created'),
  repeat: z.int().min(1).max(10).default(1),
})

/** What Stripe's dashboard, its banks and the passing of time do, below `/sim/stripe`. */
export function stripeSim(account: Account): Hono<Env> {
  const app = new Hono<Env>()
  app.use('*', async (c, next) => {
    account.pages = pagesOf(c)
    await next()
  })

  const now = () => ({ at: new Date(account.nowS() * 1000).toISOString() })
  app.get('/clock', (c) => c.json(now()))
  app.post('/clock', async (c) => {
    advance(account, (await read(c, clockInput)).advanceSeconds)
    return c.json(now())
  })
  app.post('/dunning', async (c) => {
    account.dunning = await read(c, dunningInput)
    return c.json({ ok: true })
  })

  app.post('/subscriptions/:id/fail-payment', (c) =>
    c.json(asked(() => failPayment(account, c.req.param('id')))),
  )
  app.post('/charges/:id/dispute', (c) => c.json(asked(() => openDispute(account, c.req.param('id')))))
  app.post('/disputes/:id/close', async (c) => {
    const { status } = await read(c, z.object({ status: z.enum(['won', 'lost']) }))
    return c.json(asked(() => closeDispute(account, c.req.param('id'), status)))
  })

  // One endpoint a URL, with a secret that both sides know beforehand.
  app.post('/webhook', async (c) => {
    const { url, secret, events } = await read(c, webhookInput)
    const known = account.objects.all('webhook_endpoint').find((endpoint) => endpoint.url === url)
    if (known) account.objects.delete(known)
    const endpoint = createEndpoint(account, { url, events, ...(secret ? { secret } : {}) })
    return c.json({ id: endpoint.id, url, secret: endpoint.secret })
  })
  app.get('/deliveries', (c) => c.json(account.deliveries.all))
  app.post('/deliveries', async (c) => {
    account.deliveries.command(await read(c, deliveryOrder))
    return c.json({ ok: true })
  })
  app.post('/deliveries/release', async (c) => {
    const { order, repeat } = await read(c, releaseInput)
    return c.json({ sent: account.deliveries.release(order, repeat) })
  })
  app.post('/events/:id/deliver', (c) => {
    account.deliveries.send(asked(() => account.objects.get('event', c.req.param('id'))))
    return c.json({ ok: true })
  })
  return app
}

function asked<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof StripeError ? new BadInput(error.message) : error
  }
}

/** The card stops paying, and the next payment is asked for now. */
export function failPayment(account: Account, id: string) {
  settle(account)
  const subscription = account.objects.get('subscription', id)
  if (subscription.ended_at !== null) throw new BadInput('The subscription has ended.')
  const method = methodFor(account, subscription.customer, subscription)
  if (method) account.cards.set(method.id, 'chargeCustomerFail')
  const latest = account.objects.get('invoice', String(subscription.latest_invoice))
  if (latest.status === 'open') collect(account, latest)
  else renewAndCollect(account, subscription)
  return { id, status: subscription.status }
}
