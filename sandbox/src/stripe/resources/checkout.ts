import { invalid } from '../api/errors.ts'
import { listPage, page } from '../api/list.ts'
import { int, merged, metadata, type Route, route, text } from '../api/route.ts'
import { listOf } from '../objects.ts'
import { completeSession, expireSession } from './checkout-complete.ts'
import { createSession, sessionInput } from './checkout-session.ts'
import { cardOf } from './payment-methods.ts'

/** Checkout sessions (https://docs.stripe.com/api/checkout/sessions). */
export const checkoutRoutes: Route[] = [
  route('post', '/checkout/sessions', sessionInput, ({ account, input }) => createSession(account, input)),
  route(
    'get',
    '/checkout/sessions',
    { ...page, customer: text.optional(), subscription: text.optional(), status: text.optional() },
    ({ account, input }) =>
      listPage(
        account.objects,
        'checkout.session',
        '/v1/checkout/sessions',
        input,
        ({ customer, subscription, status }) =>
          customer === (input.customer ?? customer) &&
          subscription === (input.subscription ?? subscription) &&
          status === (input.status ?? status),
      ),
  ),
  route('get', '/checkout/sessions/:id', {}, ({ account, id }) =>
    account.objects.get('checkout.session', id),
  ),
  route('post', '/checkout/sessions/:id', { metadata: metadata.optional() }, ({ account, id, input }) => {
    const session = account.objects.get('checkout.session', id)
    session.metadata = merged(session.metadata ?? {}, input.metadata)
    return session
  }),
  route('get', '/checkout/sessions/:id/line_items', page, ({ account, id }) => {
    const session = account.objects.get('checkout.session', id)
    return listOf(`/v1/checkout/sessions/${id}/line_items`, session.line_items?.data ?? [])
  }),
  route('post', '/checkout/sessions/:id/expire', {}, ({ account, id }) => {
    const session = account.objects.get('checkout.session', id)
    if (session.status !== 'open')
      throw invalid(
        `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of ${session.status}`,
      )
    return expireSession(account, session)
  }),
  // What Stripe's own page calls; its command line does so to complete a session without a browser.
  route('get', '/payment_pages/:id', {}, ({ account, id }) => account.objects.get('checkout.session', id)),
  route(
    'post',
    '/payment_pages/:id/confirm',
    { payment_method: text, expected_amount: int.optional() },
    (call) => {
      const { account, id, input } = call
      const method = account.objects.get('payment_method', input.payment_method, 'payment_method')
      const { email, name } = method.billing_details
      const card = cardOf(account, method.id)
      const session = account.objects.get('checkout.session', id)
      return completeSession(account, session, card, { email: email ?? undefined, name: name ?? undefined })
    },
  ),
]
