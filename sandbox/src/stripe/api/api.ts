import { type Context, Hono } from 'hono'
import { type Env, type Faults, faulty } from '../../faults.ts'
import { type Account, apiVersion } from '../account.ts'
import { settle } from '../clock.ts'
import { newId } from '../ids.ts'
import { catalogueRoutes } from '../resources/catalogue.ts'
import { checkoutRoutes } from '../resources/checkout.ts'
import { customerRoutes } from '../resources/customers.ts'
import { discountRoutes } from '../resources/discounts.ts'
import { invoiceRoutes } from '../resources/invoice-routes.ts'
import { paymentMethodRoutes } from '../resources/payment-methods.ts'
import { paymentRoutes } from '../resources/payments.ts'
import { portalRoutes } from '../resources/portal.ts'
import { refundRoutes } from '../resources/refunds.ts'
import { subscriptionRoutes } from '../resources/subscription-routes.ts'
import { webhookRoutes } from '../webhooks/endpoints.ts'
import { errorBody, faultBody, invalid, StripeError } from './errors.ts'
import { expanded } from './expand.ts'
import { decodeForm, type FormObject } from './form.ts'
import { pagesOf, type Route } from './route.ts'

const resources: Route[] = [
  ...customerRoutes,
  ...catalogueRoutes,
  ...discountRoutes,
  ...paymentMethodRoutes,
  ...paymentRoutes,
  ...subscriptionRoutes,
  ...invoiceRoutes,
  ...checkoutRoutes,
  ...portalRoutes,
  ...refundRoutes,
  ...webhookRoutes,
]

/** The API of https://docs.stripe.com/api below `/v1`, for any test key. */
export function stripeApi(account: Account, faults: Faults): Hono<Env> {
  const app = new Hono<Env>()
  app.use('/v1/*', faulty(faults, 'stripe', faultBody))
  app.use('/v1/*', async (c, next) => {
    requireKey(c)
    c.header('stripe-version', apiVersion)
    account.pages = pagesOf(c)
    await next()
  })
  for (const resource of resources) {
    app.on(resource.method.toUpperCase(), `/v1${resource.path}`, (c) => answer(account, resource, c))
  }
  // A mounted application's notFound is never asked.
  app.all('/v1/*', (c) => {
    const path = c.req.path.slice(c.req.path.indexOf('/v1'))
    throw new StripeError(
      404,
      'invalid_request_error',
      `Unrecognized request URL (${c.req.method}: ${path}).`,
    )
  })
  app.onError((error, c) => {
    if (!(error instanceof StripeError)) throw error
    return c.json(errorBody(error), error.status as 400)
  })
  return app
}

async function answer(account: Account, resource: Route, c: Context<Env>) {
  const sent = resource.method === 'post' ? await c.req.text() : new URL(c.req.url).search.slice(1)
  const key = resource.method === 'post' ? c.req.header('idempotency-key') : undefined
  const request = `${c.req.method} ${c.req.path.slice(c.req.path.indexOf('/v1'))} ${sent}`
  const id = newId('req')
  const reply = (body: string, status: number, headers: Record<string, string> = {}) =>
    c.body(body, status as 200, { ...headers, 'content-type': 'application/json', 'request-id': id })

  const kept = key === undefined ? undefined : account.idempotency.recall(key, request)
  if (kept) return reply(kept.body, kept.status, { 'idempotent-replayed': 'true' })

  // Between here and the answer nothing waits, so that requests cannot meet half-way.
  account.request = null
  settle(account)
  account.request = { id, idempotency_key: key ?? null }
  let status = 200
  let body: string
  try {
    body = JSON.stringify(run(account, resource, c.req.param('id') ?? '', decodeForm(sent)))
  } catch (error) {
    if (!(error instanceof StripeError)) throw error
    status = error.status
    body = JSON.stringify(errorBody(error))
  } finally {
    account.request = null
  }
  // What the request itself made due, as the notice of a trial that is shorter than the notice.
  settle(account)
  if (key !== undefined) account.idempotency.keep(key, { request, status, body })
  return reply(body, status, key === undefined ? {} : { 'idempotency-key': key })
}

function run(account: Account, resource: Route, id: string, { expand, ...parameters }: FormObject): object {
  const paths = expand ?? []
  if (!Array.isArray(paths) || !paths.every((path) => typeof path === 'string'))
    throw invalid('Invalid array', { param: 'expand' })
  return expanded(account, resource.run(account, id, parameters), paths)
}

function requireKey(c: Context<Env>): void {
  const [scheme = '', value = ''] = (c.req.header('authorization') ?? '').split(' ')
  const key = scheme.toLowerCase() === 'basic' ? Buffer.from(value, 'base64').toString().split(':')[0] : value
  if (!key)
    throw new StripeError(
      401,
      'invalid_request_error',
      'You did not provide an API key. You need to provide your API key in the Authorization header.',
    )
  if (!/^(sk|rk)_test_\w/.test(key))
    throw new StripeError(401, 'invalid_request_error', `Invalid API Key provided: ${key.slice(0, 8)}****`)
}
