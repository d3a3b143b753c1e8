import type Stripe from 'stripe'
import { z } from 'zod'
import type { Account } from '../account.ts'
import { invalid, missing, StripeError } from '../api/errors.ts'
import { listPage, page } from '../api/list.ts'
import { given, int, merged, metadata, type Route, route, text } from '../api/route.ts'
import { findCard, type TestCard, testCards } from '../cards.ts'
import { newId } from '../ids.ts'

const address = z.record(z.string(), z.string())
const billingDetails = z.strictObject({
  email: text.optional(),
  name: text.optional(),
  phone: text.optional(),
  address: address.optional(),
})
const noAddress = { city: null, country: null, line1: null, line2: null, postal_code: null, state: null }

export function createCard(
  account: Account,
  card: TestCard,
  details: z.infer<typeof billingDetails> = {},
): Stripe.PaymentMethod {
  const id = newId('pm')
  account.cards.set(id, card.name)
  return account.objects.add<'payment_method'>({
    id,
    object: 'payment_method',
    allow_redisplay: 'unspecified',
    billing_details: {
      address: { ...noAddress, ...details.address },
      email: details.email ?? null,
      name: details.name ?? null,
      phone: details.phone ?? null,
      tax_id: null,
    },
    card: {
      brand: card.brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
      country: 'US',
      display_brand: card.brand,
      exp_month: 12,
      exp_year: new Date(account.nowS() * 1000).getUTCFullYear() + 3,
      fingerprint: `sandbox${card.number.slice(-8)}`,
      funding: 'credit',
      generated_from: null,
      last4: card.number.slice(-4),
      networks: { available: [card.brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: account.nowS(),
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {},
    type: 'card',
  })
}

export const cardOf = (account: Account, id: string): TestCard =>
  findCard(account.cards.get(id) ?? 'visa') ?? testCards[0]

/** A payment method by its id; `pm_card_…` names a test card and makes a new one. */
export function resolveMethod(account: Account, id: string, param: string): Stripe.PaymentMethod {
  const found = account.objects.find(id)
  if (found?.object === 'payment_method') return found
  const card = id.startsWith('pm_card_') ? findCard(id) : undefined
  if (!card) throw missing('PaymentMethod', id, param)
  return createCard(account, card)
}

/** @throws StripeError card_error for a card that is refused at once */
export function requireAccepted(account: Account, method: Stripe.PaymentMethod): void {
  const { refusedAtOnce, decline } = cardOf(account, method.id)
  if (refusedAtOnce && decline) throw declined(decline)
}

/**
 * Ties a payment method to a customer.
 * @throws StripeError card_error for a card that is refused at once
 */
export function attach(
  account: Account,
  method: Stripe.PaymentMethod,
  customer: string,
): Stripe.PaymentMethod {
  if (method.customer === customer) return method
  requireAccepted(account, method)
  method.customer = customer
  account.emit('payment_method.attached', method)
  return method
}

/**
 * A payment method that is the customer's already; `pm_card_…` becomes it.
 * @throws StripeError resource_missing for one that is nobody's or another's
 */
export function ownMethod(
  account: Account,
  id: string,
  customer: string,
  param: string,
): Stripe.PaymentMethod {
  const method = resolveMethod(account, id, param)
  if (id.startsWith('pm_card_')) return attach(account, method, customer)
  if (method.customer === customer) return method
  throw invalid(
    `The customer does not have a payment method with the ID ${id}. The payment method must be attached to the customer.`,
    { code: 'resource_missing', param },
  )
}

export function declined(decline: NonNullable<TestCard['decline']>, more: { payment_intent?: object } = {}) {
  const { code, declineCode, message } = decline
  return new StripeError(402, 'card_error', message, {
    code,
    ...(declineCode ? { decline_code: declineCode } : {}),
    ...more,
  })
}

const cardInput = z.strictObject({
  token: text.optional(),
  number: text.optional(),
  exp_month: int.optional(),
  exp_year: int.optional(),
  cvc: text.optional(),
})

export const paymentMethodRoutes: Route[] = [
  route(
    'post',
    '/payment_methods',
    {
      type: z.literal('card'),
      card: cardInput,
      billing_details: billingDetails.optional(),
      metadata: metadata.optional(),
    },
    ({ account, input }) => {
      const card = findCard(input.card.token ?? input.card.number ?? '')
      if (!card)
        throw invalid('Your card number is incorrect.', { code: 'incorrect_number', param: 'card[number]' })
      return Object.assign(createCard(account, card, input.billing_details), {
        metadata: merged({}, input.metadata),
      })
    },
  ),
  route(
    'get',
    '/payment_methods',
    { ...page, customer: text.optional(), type: text.optional() },
    ({ account, input }) =>
      listPage(account.objects, 'payment_method', '/v1/payment_methods', input, ({ customer }) =>
        input.customer === undefined ? true : customer === input.customer,
      ),
  ),
  route('get', '/payment_methods/:id', {}, ({ account, id }) => account.objects.get('payment_method', id)),
  route('post', '/payment_methods/:id', { metadata: metadata.optional() }, ({ account, id, input }) => {
    const method = account.objects.get('payment_method', id)
    const changed = given({ metadata: merged(method.metadata ?? {}, input.metadata) })
    account.update('payment_method.updated', method, changed)
    return method
  }),
  route('post', '/payment_methods/:id/attach', { customer: text }, ({ account, id, input }) => {
    account.objects.get('customer', input.customer, 'customer')
    return attach(account, resolveMethod(account, id, 'id'), input.customer)
  }),
  route('post', '/payment_methods/:id/detach', {}, ({ account, id }) => {
    const method = account.objects.get('payment_method', id)
    const customer = account.objects.find(String(method.customer))
    account.update('payment_method.detached', method, { customer: null })
    if (customer?.object === 'customer' && customer.invoice_settings.default_payment_method === id) {
      customer.invoice_settings.default_payment_method = null
    }
    return method
  }),
]
