import { Hono } from 'hono'
import Stripe from 'stripe'
import { z } from 'zod'
import type { BillingCtx } from '../../services/subscription/ctx.ts'
import { receiveStripeEvent } from '../../services/subscription/receive-event.ts'

/** Stripe's own limit to how old a signature may be: https://docs.stripe.com/webhooks#replay-attacks */
const toleranceSeconds = 300

const id = z.string().max(255)
const eventSchema = z.object({
  id: z.string().regex(/^evt_\w{1,250}$/),
  type: z.string().max(100),
  data: z.object({
    object: z.object({
      object: z.string().max(100),
      id: id.optional(),
      customer: z.union([id, z.object({ id })]).nullish(),
    }),
  }),
})

/** POST /: events of Stripe. 2xx = stored; it is applied later, from what Stripe then says (B1). */
export function stripeWebhook({ ctx, secret }: { ctx: BillingCtx; secret: string }) {
  return new Hono().post('/', async (c) => {
    const body = await c.req.text()
    const signature = c.req.header('stripe-signature') ?? ''
    if (!isSigned(body, signature, secret)) {
      return c.json({ detail: 'Wrong signature.', code: 'signature_invalid' }, 403)
    }
    const event = eventSchema.safeParse(parseJson(body))
    if (!event.success) return c.json({ detail: 'That is no event.', code: 'invalid_input' }, 400)
    const { id, type, data } = event.data
    await receiveStripeEvent({ ctx, input: { id, type, object: subjectOf(data.object) } })
    return c.json({ received: true })
  })
}

/** Compares in constant time; no secret signs nothing (I4). */
function isSigned(body: string, signature: string, secret: string): boolean {
  if (secret === '') return false
  try {
    return Stripe.webhooks.signature?.verifyHeader(body, signature, secret, toleranceSeconds) ?? false
  } catch {
    return false
  }
}

function subjectOf({ object, id, customer }: z.infer<typeof eventSchema>['data']['object']) {
  const owner = object === 'customer' ? id : typeof customer === 'string' ? customer : customer?.id
  return { object, id: id ?? null, customer: owner ?? null }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
