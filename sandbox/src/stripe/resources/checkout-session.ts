import { z } from 'zod'
import type { Account } from '../account.ts'
import { invalid } from '../api/errors.ts'
import { bool, count, currency, int, merged, metadata, text, url } from '../api/route.ts'
import { newId } from '../ids.ts'
import { type LineItem, listOf, type Session } from '../objects.ts'
import { createPrice, recurringInput } from './catalogue.ts'
import { amountOff, couponOf, type DiscountInput, discountInput } from './discounts.ts'
import { dayS, hourS } from './periods.ts'
import { trialEndOf, trialSettings } from './subscriptions.ts'

const priceData = z.strictObject({
  currency,
  unit_amount: count,
  product: text.optional(),
  product_data: z.strictObject({ name: text, description: text.optional() }).optional(),
  recurring: recurringInput.optional(),
})
export const sessionInput = {
  mode: z.enum(['payment', 'subscription']),
  line_items: z
    .array(
      z.strictObject({
        price: text.optional(),
        price_data: priceData.optional(),
        quantity: count.optional(),
      }),
    )
    .min(1),
  success_url: url,
  cancel_url: url.optional(),
  allow_promotion_codes: bool.optional(),
  automatic_tax: z.strictObject({ enabled: z.literal('false') }).optional(),
  billing_address_collection: z.enum(['auto', 'required']).optional(),
  client_reference_id: text.max(200).optional(),
  consent_collection: z.record(z.string(), z.string()).optional(),
  customer: text.optional(),
  customer_email: z.email().optional(),
  customer_update: z.record(z.string(), z.string()).optional(),
  discounts: z.array(discountInput).max(1).optional(),
  expires_at: int.optional(),
  locale: text.optional(),
  metadata: metadata.optional(),
  payment_intent_data: z
    .strictObject({
      description: text.optional(),
      metadata: metadata.optional(),
      shipping: z.unknown().optional(),
    })
    .optional(),
  payment_method_collection: z.enum(['always', 'if_required']).optional(),
  payment_method_types: z.array(z.literal('card')).optional(),
  subscription_data: z
    .strictObject({
      description: text.optional(),
      metadata: metadata.optional(),
      trial_end: int.optional(),
      trial_period_days: int.optional(),
      trial_settings: trialSettings.optional(),
    })
    .optional(),
  ui_mode: z.enum(['hosted', 'hosted_page']).optional(),
}
type SessionInput = z.infer<z.ZodObject<typeof sessionInput>>

/** What the subscription will be made of, kept until the session is paid. */
export const wishes = new WeakMap<
  Session,
  {
    data: SessionInput['subscription_data']
    payment: SessionInput['payment_intent_data']
    discounts: DiscountInput[]
  }
>()

export const trialDaysOf = (session: Session) => wishes.get(session)?.data?.trial_period_days
export const isTrial = (session: Session) => {
  const data = wishes.get(session)?.data
  return data?.trial_end !== undefined || data?.trial_period_days !== undefined
}

export function createSession(account: Account, input: SessionInput): Session {
  const now = account.nowS()
  check(account, input)
  const id = `cs_test_${newId('a').slice(2)}${newId('b').slice(2)}`
  const items = input.line_items.map((line, index) => lineItem(account, line, index, input.mode))
  const coupon = input.discounts?.[0] ? couponOf(account, input.discounts[0]) : undefined
  const subtotal = items.reduce((sum, { amount_subtotal }) => sum + amount_subtotal, 0)
  const off = coupon ? amountOff(coupon, subtotal) : 0
  const session = account.objects.add<'checkout.session'>({
    id,
    object: 'checkout.session',
    adaptive_pricing: { enabled: false },
    after_expiration: null,
    allow_promotion_codes: input.allow_promotion_codes ?? null,
    allowed_payment_method_types: null,
    amount_subtotal: subtotal,
    amount_total: subtotal - off,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: input.billing_address_collection ?? null,
    cancel_url: input.cancel_url ?? null,
    client_reference_id: input.client_reference_id ?? null,
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    created: now,
    currency: items[0]?.price.currency ?? 'usd',
    currency_conversion: null,
    custom_fields: [],
    custom_text: {
      after_submit: null,
      shipping_address: null,
      submit: null,
      terms_of_service_acceptance: null,
    },
    customer: input.customer ?? null,
    customer_account: null,
    customer_creation: input.mode === 'subscription' ? 'always' : 'if_required',
    customer_details: null,
    customer_email: input.customer_email ?? null,
    discounts: (input.discounts ?? []).map(({ coupon, promotion_code }) => ({
      coupon: coupon ?? null,
      promotion_code: promotion_code ?? null,
    })),
    expires_at: input.expires_at ?? now + dayS,
    integration_identifier: null,
    invoice: null,
    invoice_creation: null,
    line_items: listOf(`/v1/checkout/sessions/${id}/line_items`, items),
    livemode: false,
    locale: input.locale ?? null,
    managed_payments: null,
    metadata: merged({}, input.metadata),
    mode: input.mode,
    origin_context: null,
    payment_intent: null,
    payment_link: null,
    payment_method_collection: input.payment_method_collection ?? 'always',
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card'],
    payment_status: 'unpaid',
    permissions: null,
    phone_number_collection: { enabled: false },
    recovered_from: null,
    saved_payment_method_options: null,
    setup_intent: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: 'open',
    submit_type: null,
    subscription: null,
    success_url: input.success_url,
    total_details: { amount_discount: off, amount_shipping: 0, amount_tax: 0 },
    ui_mode: 'hosted_page',
    url: `${account.pages}/checkout/${id}`,
    wallet_options: null,
  })
  wishes.set(session, {
    data: input.subscription_data,
    payment: input.payment_intent_data,
    discounts: input.discounts ?? [],
  })
  if (isTrial(session)) Object.assign(session, { amount_total: 0, amount_subtotal: 0 })
  return session
}

function check(account: Account, input: SessionInput): void {
  const now = account.nowS()
  if (input.customer !== undefined && input.customer_email !== undefined)
    throw invalid('You may only specify one of these parameters: customer, customer_email.')
  if (input.customer !== undefined) account.objects.get('customer', input.customer, 'customer')
  if (input.allow_promotion_codes && input.discounts)
    throw invalid('You may only specify one of these parameters: allow_promotion_codes, discounts.')
  if (input.payment_intent_data && input.mode !== 'payment')
    throw invalid('You can not pass `payment_intent_data` in `subscription` mode.', {
      param: 'payment_intent_data',
    })
  if (input.subscription_data && input.mode !== 'subscription')
    throw invalid('You can not pass `subscription_data` in `payment` mode.', { param: 'subscription_data' })
  const expires = input.expires_at
  if (expires !== undefined && (expires < now + hourS / 2 || expires > now + dayS))
    throw invalid(
      'The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.',
      {
        param: 'expires_at',
      },
    )
  const trialEnd = input.subscription_data?.trial_end
  if (trialEnd !== undefined && trialEnd < now + 2 * dayS)
    throw invalid('The `trial_end` date has to be at least 2 days in the future.', {
      param: 'subscription_data[trial_end]',
    })
  trialEndOf(account, input.subscription_data ?? {})
}

function lineItem(
  account: Account,
  line: SessionInput['line_items'][number],
  index: number,
  mode: SessionInput['mode'],
): LineItem {
  const price = line.price_data
    ? createPrice(account, line.price_data)
    : account.objects.get('price', line.price ?? '', `line_items[${index}][price]`)
  if (mode === 'subscription' && !price.recurring)
    throw invalid('You must provide at least one recurring price in `subscription` mode when using prices.')
  if (mode === 'payment' && price.recurring)
    throw invalid(
      'You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.',
    )
  const quantity = line.quantity ?? 1
  const amount = (price.unit_amount ?? 0) * quantity
  return {
    id: newId('li'),
    object: 'item',
    adjustable_quantity: null,
    amount_discount: 0,
    amount_subtotal: amount,
    amount_tax: 0,
    amount_total: amount,
    currency: price.currency,
    description: account.objects.get('product', String(price.product)).name,
    metadata: {},
    price,
    quantity,
  }
}
