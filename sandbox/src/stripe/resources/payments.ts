import type Stripe from 'stripe'
import type { Account } from '../account.ts'
import { listPage, page } from '../api/list.ts'
import { type Route, route, text } from '../api/route.ts'
import type { TestCard } from '../cards.ts'
import { newId } from '../ids.ts'
import { cardOf } from './payment-methods.ts'

export function createIntent(
  account: Account,
  {
    amount,
    currency,
    customer,
    description,
    metadata = {},
  }: {
    amount: number
    currency: string
    customer: string | null
    description: string | null
    metadata?: Record<string, string>
  },
): Stripe.PaymentIntent {
  const id = newId('pi')
  const intent = account.objects.add<'payment_intent'>({
    id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount,
    amount_capturable: 0,
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic',
    client_secret: `${id}_secret_${newId('s').slice(2)}`,
    confirmation_method: 'automatic',
    created: account.nowS(),
    currency,
    customer,
    customer_account: null,
    description,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    managed_payments: null,
    metadata,
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card'],
    payment_record: null,
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: customer === null ? null : 'off_session',
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'requires_payment_method',
    transfer_data: null,
    transfer_group: null,
  })
  account.emit('payment_intent.created', intent)
  return intent
}

/** Charges the card for the intent. Returns why it was declined, or undefined when it was paid. */
export function charge(
  account: Account,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
): TestCard['decline'] {
  const { decline } = cardOf(account, method.id)
  const made = createCharge(account, intent, method, decline)
  intent.latest_charge = made.id
  if (!decline) {
    const paid = { status: 'succeeded', payment_method: method.id, amount_received: intent.amount } as const
    Object.assign(intent, { ...paid, last_payment_error: null })
    account.emit('charge.succeeded', made)
    account.emit('payment_intent.succeeded', intent)
    return undefined
  }
  intent.status = 'requires_payment_method'
  intent.last_payment_error = {
    type: 'card_error',
    code: decline.code,
    message: decline.message,
    charge: made.id,
    payment_method: method,
    ...(decline.declineCode ? { decline_code: decline.declineCode } : {}),
  } as Stripe.PaymentIntent.LastPaymentError
  account.emit('charge.failed', made)
  account.emit('payment_intent.payment_failed', intent)
  return decline
}

function createCharge(
  account: Account,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  decline: TestCard['decline'],
): Stripe.Charge {
  const { amount, currency, customer } = intent
  const { checks: _checks, ...card } = method.card ?? ({} as Stripe.PaymentMethod.Card)
  return account.objects.add<'charge'>({
    id: newId('ch'),
    object: 'charge',
    amount,
    amount_captured: decline ? 0 : amount,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: null,
    billing_details: method.billing_details,
    calculated_statement_descriptor: 'SANDBOX',
    captured: !decline,
    created: account.nowS(),
    currency,
    customer,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: decline?.code ?? null,
    failure_message: decline?.message ?? null,
    fraud_details: {},
    livemode: false,
    metadata: {},
    on_behalf_of: null,
    outcome: {
      advice_code: null,
      network_advice_code: null,
      network_decline_code: null,
      network_status: decline ? 'declined_by_network' : 'approved_by_network',
      reason: decline?.declineCode ?? null,
      risk_level: 'normal',
      seller_message: decline ? 'The bank did not return any further details.' : 'Payment complete.',
      type: decline ? 'issuer_declined' : 'authorized',
    },
    paid: !decline,
    payment_intent: intent.id,
    payment_method: method.id,
    payment_method_details: { card, type: 'card' } as unknown as Stripe.Charge.PaymentMethodDetails,
    receipt_email: null,
    receipt_number: null,
    receipt_url: null,
    refunded: false,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: decline ? 'failed' : 'succeeded',
    transfer_data: null,
    transfer_group: null,
  })
}

export const paymentRoutes: Route[] = [
  route('get', '/payment_intents', { ...page, customer: text.optional() }, ({ account, input }) =>
    listPage(
      account.objects,
      'payment_intent',
      '/v1/payment_intents',
      input,
      ({ customer }) => customer === (input.customer ?? customer),
    ),
  ),
  route('get', '/payment_intents/:id', {}, ({ account, id }) => account.objects.get('payment_intent', id)),
  route(
    'get',
    '/charges',
    { ...page, customer: text.optional(), payment_intent: text.optional() },
    ({ account, input }) =>
      listPage(
        account.objects,
        'charge',
        '/v1/charges',
        input,
        ({ customer, payment_intent }) =>
          customer === (input.customer ?? customer) &&
          payment_intent === (input.payment_intent ?? payment_intent),
      ),
  ),
  route('get', '/charges/:id', {}, ({ account, id }) => account.objects.get('charge', id)),
]
