import { z } from 'zod'
import type { Account } from '../account.ts'
import { invalid } from '../api/errors.ts'
import { newId } from '../ids.ts'
import { listOf, type Price, type Subscription, type SubscriptionItem } from '../objects.ts'
import { planOf } from './catalogue.ts'
import { collect, methodFor } from './collection.ts'
import { type DiscountInput, startDiscount } from './discounts.ts'
import { finalizeInvoice } from './invoice-states.ts'
import { declined, ownMethod } from './payment-methods.ts'
import { dayS, nextPeriodEnd } from './periods.ts'
import { billPeriod, expireIncomplete } from './subscription-periods.ts'

export const trialSettings = z.strictObject({
  end_behavior: z.strictObject({
    billing_cycle_anchor: z.enum(['now', 'unchanged']).nullable().default(null),
    missing_payment_method: z.enum(['cancel', 'create_invoice', 'pause']),
  }),
})

export interface NewSubscription {
  customer: string
  items: { price: Price; quantity: number }[]
  /** Seconds; absent for none. */
  trialEnd?: number | undefined
  /** Which card pays, when it is not the customer's default. */
  method?: string | undefined
  metadata: Record<string, string>
  description?: string | undefined
  discounts?: DiscountInput[] | undefined
  trialSettings?: z.infer<typeof trialSettings> | undefined
  behavior?: 'allow_incomplete' | 'default_incomplete' | 'error_if_incomplete' | undefined
  session?: string
}

/**
 * incomplete → active when the first invoice is paid; trialing with a trial, whose first invoice is of nothing.
 * @throws StripeError when nothing could pay, and card_error with `error_if_incomplete`
 */
export function createSubscription(account: Account, input: NewSubscription): Subscription {
  const now = account.nowS()
  const behavior = input.behavior ?? 'allow_incomplete'
  const isTrial = input.trialEnd !== undefined
  const param = 'default_payment_method'
  const method = input.method ? ownMethod(account, input.method, input.customer, param) : undefined
  const payer = method ?? methodFor(account, input.customer)
  if (!payer && !isTrial && behavior !== 'default_incomplete') throw noPayer()
  const [first] = input.items
  if (!first) throw invalid('Missing required param: items.', { code: 'parameter_missing', param: 'items' })

  const id = newId('sub')
  const anchor = input.trialEnd ?? now
  const end = input.trialEnd ?? nextPeriodEnd(now, first.price, now)
  const items = input.items.map(({ price, quantity }) =>
    createItem(account, id, price, quantity, { start: now, end }),
  )
  const subscription = account.objects.add<'subscription'>({
    id,
    object: 'subscription',
    application: null,
    application_fee_percent: null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: anchor,
    billing_cycle_anchor_config: null,
    billing_mode: { flexible: { proration_discounts: 'included' }, type: 'flexible' },
    billing_schedules: [],
    billing_thresholds: null,
    cancel_at: null,
    cancel_at_period_end: false,
    canceled_at: null,
    cancellation_details: { comment: null, feedback: null, feedback_option: null, reason: null },
    collection_method: 'charge_automatically',
    created: now,
    currency: first.price.currency,
    customer: input.customer,
    customer_account: null,
    days_until_due: null,
    default_payment_method: method?.id ?? null,
    default_source: null,
    default_tax_rates: [],
    description: input.description ?? null,
    discounts: [],
    ended_at: null,
    invoice_settings: {
      account_tax_ids: null,
      custom_fields: null,
      description: null,
      footer: null,
      issuer: { type: 'self' },
    },
    items: listOf(`/v1/subscription_items?subscription=${id}`, items),
    latest_invoice: null,
    livemode: false,
    managed_payments: null,
    metadata: input.metadata,
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    pause_collection: null,
    payment_settings: {
      payment_method_options: null,
      payment_method_types: null,
      save_default_payment_method: 'off',
    },
    pending_invoice_item_interval: null,
    pending_setup_intent: null,
    pending_update: null,
    schedule: null,
    start_date: now,
    status: isTrial ? 'trialing' : 'incomplete',
    test_clock: null,
    transfer_data: null,
    trial_end: input.trialEnd ?? null,
    trial_settings: input.trialSettings ?? {
      end_behavior: { billing_cycle_anchor: null, missing_payment_method: 'create_invoice' },
    },
    trial_start: isTrial ? now : null,
  })
  const owner = { customer: input.customer, subscription: id, checkout_session: input.session ?? null }
  subscription.discounts = (input.discounts ?? []).map((given) => startDiscount(account, given, owner))

  const invoice = billPeriod(account, subscription, 'subscription_create', { start: now, end })
  account.emit('customer.subscription.created', subscription)
  finalizeInvoice(account, invoice)
  if (invoice.status === 'paid') {
    if (!isTrial) account.update('customer.subscription.updated', subscription, { status: 'active' })
  } else if (behavior !== 'default_incomplete') {
    const decline = collect(account, invoice)
    if (decline && behavior === 'error_if_incomplete') {
      expireIncomplete(account, subscription)
      throw declined(decline)
    }
  }
  return subscription
}

const noPayer = () =>
  invalid(
    'This customer has no attached payment source or default payment method. Please consider adding a default payment method.',
    { code: 'resource_missing' },
  )

function createItem(
  account: Account,
  subscription: string,
  price: Price,
  quantity: number,
  period: { start: number; end: number },
): SubscriptionItem {
  if (!price.recurring)
    throw invalid(
      `The price specified is set to \`type=one_time\` but this field only accepts prices with \`type=recurring\`.`,
      {
        param: 'items[0][price]',
      },
    )
  return account.objects.add<'subscription_item'>({
    id: newId('si').slice(0, 17),
    object: 'subscription_item',
    billing_thresholds: null,
    created: account.nowS(),
    current_period_end: period.end,
    current_period_start: period.start,
    current_trial: null,
    discounts: [],
    metadata: {},
    plan: planOf(price),
    price,
    quantity,
    subscription,
    tax_rates: [],
  })
}

/** Every way to say how long a trial is, in seconds since 1970. */
export function trialEndOf(
  account: Account,
  given: { trial_period_days?: number | undefined; trial_end?: number | undefined },
): number | undefined {
  const now = account.nowS()
  const { trial_period_days: days, trial_end: end } = given
  if (days !== undefined && (days < 1 || days > 730))
    throw invalid('Invalid trial_period_days: must be between 1 and 730', { param: 'trial_period_days' })
  if (end !== undefined && end <= now)
    throw invalid('Invalid timestamp: must be an integer Unix timestamp in the future.', {
      param: 'trial_end',
    })
  return end ?? (days === undefined ? undefined : now + days * dayS)
}
