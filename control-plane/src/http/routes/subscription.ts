import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { cancelSubscription, resumeSubscription } from '../../services/subscription/change-cancellation.ts'
import type { BillingCtx } from '../../services/subscription/ctx.ts'
import { openPortal } from '../../services/subscription/open-portal.ts'
import { readSubscription } from '../../services/subscription/read-subscription.ts'
import { startCheckout } from '../../services/subscription/start-checkout.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonResponse, refuseInvalid } from './openapi.ts'

const moment = z.string().optional()
const invoice = z.object({
  id: z.string(),
  number: z.string().optional(),
  at: z.string(),
  amountCents: z.number().int(),
  currency: z.string(),
  status: z.string(),
  url: z.string().optional(),
  pdf: z.string().optional(),
})
const view = z
  .object({
    status: z.enum(['NONE', 'ACTIVE', 'PAST_DUE', 'CANCELED']),
    isTrial: z.boolean(),
    trialEnd: moment,
    currentPeriodEnd: moment,
    cancelAtPeriodEnd: z.boolean(),
    cancelAt: moment,
    endedAt: moment,
    graceEnd: moment.describe('PAST_DUE: the assistant goes on until then'),
    deleteAfter: moment.describe('The assistant is suspended for want of payment, and deleted after this'),
    nextCharge: z.object({ at: z.string(), amountCents: z.number().int(), currency: z.string() }).optional(),
    trialDays: z.number().int().optional().describe('What a checkout would begin with'),
    invoices: z.array(invoice),
    stale: z.boolean().describe('Stripe did not answer: this is our copy'),
  })
  .openapi('Subscription')

/** A path of the web, and nothing that a browser could take for another host (I6). */
const webPath = z
  .string()
  .max(500)
  .regex(/^\/(?![/\\])[\w\-./?=&%{}]*$/, 'is not a path of the web')
const optionalBody = <T extends z.ZodType>(schema: T) => ({
  body: { required: false, content: { 'application/json': { schema } } },
})
const defaultPath = '/dashboard/subscription'
const page = z.object({ url: z.string() }).openapi('Page')
const checkoutBody = z.object({
  model: z.string().max(100).optional(),
  successPath: webPath.default(defaultPath),
  cancelPath: webPath.default(defaultPath),
})
const portalBody = z.object({ returnPath: webPath.default(defaultPath) })
const tags = ['subscription']

const checkout = createRoute({
  method: 'post',
  path: '/checkout',
  tags,
  summary: 'A page to subscribe on; after a failed payment, one to repair it',
  request: optionalBody(checkoutBody),
  responses: jsonResponse(200, page, 'Where to send the browser'),
})
const read = createRoute({
  method: 'get',
  path: '/subscription',
  tags,
  summary: 'The subscription, live from Stripe',
  responses: jsonResponse(200, view, 'The subscription; status NONE without one'),
})
const cancel = createRoute({
  method: 'post',
  path: '/subscription/cancel',
  tags,
  summary: 'End it with its period; at once when the period is not paid',
  responses: jsonResponse(200, view, 'The subscription'),
})
const resume = createRoute({
  method: 'post',
  path: '/subscription/resume',
  tags,
  summary: 'Take back a cancellation that has not come to pass',
  responses: jsonResponse(200, view, 'The subscription'),
})
const portal = createRoute({
  method: 'post',
  path: '/subscription/portal',
  tags,
  summary: 'Stripe’s portal: card, invoices, cancel',
  request: optionalBody(portalBody),
  responses: jsonResponse(200, page, 'Where to send the browser'),
})

/** Everything here is the signed-in user's own: no route takes an id (I9). */
export function subscriptionRoutes(ctx: BillingCtx) {
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(checkout, async (c) => {
      // Without a body nothing was parsed, and no default set.
      const input = { userId: c.get('user').id, ...checkoutBody.parse(c.req.valid('json') ?? {}) }
      return c.json(await startCheckout({ ctx, input }), 200)
    })
    .openapi(read, async (c) =>
      c.json(await readSubscription({ ctx, input: { userId: c.get('user').id } }), 200),
    )
    .openapi(cancel, async (c) => {
      const input = { userId: c.get('user').id }
      await cancelSubscription({ ctx, input })
      return c.json(await readSubscription({ ctx, input }), 200)
    })
    .openapi(resume, async (c) => {
      const input = { userId: c.get('user').id }
      await resumeSubscription({ ctx, input })
      return c.json(await readSubscription({ ctx, input }), 200)
    })
    .openapi(portal, async (c) => {
      const input = { userId: c.get('user').id, ...portalBody.parse(c.req.valid('json') ?? {}) }
      return c.json(await openPortal({ ctx, input }), 200)
    })
}
