import { z } from 'zod'
import type { Account } from '../account.ts'
import { invalid, missing } from '../api/errors.ts'
import { listPage, page } from '../api/list.ts'
import { bool, count, given, int, merged, metadata, type Route, route, text, unset } from '../api/route.ts'
import type { Subscription } from '../objects.ts'
import { endSubscription } from './collection.ts'
import { discountInput } from './discounts.ts'
import { ownMethod } from './payment-methods.ts'
import { endTrial, periodOf, renewAndCollect } from './subscription-periods.ts'
import { createSubscription, trialEndOf, trialSettings } from './subscriptions.ts'

const cancellationDetails = z.strictObject({
  comment: z.union([unset, text]).optional(),
  feedback: z.union([unset, text]).optional(),
})
const updateInput = {
  cancel_at: z.union([unset, int, z.enum(['min_period_end', 'max_period_end'])]).optional(),
  cancel_at_period_end: bool.optional(),
  cancellation_details: cancellationDetails.optional(),
  default_payment_method: z.union([unset, text]).optional(),
  description: z.union([unset, text]).optional(),
  metadata: metadata.optional(),
  proration_behavior: z.enum(['none', 'create_prorations', 'always_invoice']).optional(),
  trial_end: z.union([z.literal('now'), int]).optional(),
  trial_settings: trialSettings.optional(),
}
const createInput = {
  customer: text,
  items: z.array(z.strictObject({ price: text, quantity: count.optional() })).min(1),
  cancel_at_period_end: bool.optional(),
  default_payment_method: text.optional(),
  description: text.optional(),
  discounts: z.array(discountInput).optional(),
  metadata: metadata.optional(),
  off_session: bool.optional(),
  payment_behavior: z.enum(['allow_incomplete', 'default_incomplete', 'error_if_incomplete']).optional(),
  trial_end: int.optional(),
  trial_period_days: int.optional(),
  trial_settings: trialSettings.optional(),
}
const statuses = [
  'active',
  'all',
  'canceled',
  'ended',
  'incomplete',
  'incomplete_expired',
  'past_due',
  'paused',
  'trialing',
  'unpaid',
] as const
const listInput = {
  ...page,
  customer: text.optional(),
  price: text.optional(),
  status: z.enum(statuses).optional(),
}
const cancelInput = {
  cancellation_details: cancellationDetails.optional(),
  invoice_now: bool.optional(),
  prorate: bool.optional(),
}

/** Subscriptions (https://docs.stripe.com/api/subscriptions), without prorations and changes of price. */
export const subscriptionRoutes: Route[] = [
  route('post', '/subscriptions', createInput, ({ account, input }) => {
    account.objects.get('customer', input.customer, 'customer')
    const items = input.items.map(({ price, quantity }, index) => ({
      price: account.objects.get('price', price, `items[${index}][price]`),
      quantity: quantity ?? 1,
    }))
    const subscription = createSubscription(account, {
      customer: input.customer,
      items,
      trialEnd: trialEndOf(account, input),
      method: input.default_payment_method,
      metadata: merged({}, input.metadata),
      description: input.description,
      discounts: input.discounts,
      trialSettings: input.trial_settings,
      behavior: input.payment_behavior,
    })
    return input.cancel_at_period_end
      ? update(account, subscription, { cancel_at_period_end: true })
      : subscription
  }),
  route('get', '/subscriptions', listInput, ({ account, input }) =>
    listPage(account.objects, 'subscription', '/v1/subscriptions', input, (subscription) => {
      const isTheirs = subscription.customer === (input.customer ?? subscription.customer)
      const prices = subscription.items.data.map(({ price }) => price.id)
      return (
        isTheirs &&
        (input.price === undefined || prices.includes(input.price)) &&
        hasStatus(subscription, input.status)
      )
    }),
  ),
  route('get', '/subscriptions/:id', {}, ({ account, id }) => account.objects.get('subscription', id)),
  route('post', '/subscriptions/:id', updateInput, ({ account, id, input }) =>
    update(account, account.objects.get('subscription', id), input),
  ),
  route('delete', '/subscriptions/:id', cancelInput, ({ account, id, input }) => {
    const subscription = account.objects.get('subscription', id)
    if (subscription.ended_at !== null) throw missing('subscription', id)
    Object.assign(subscription.cancellation_details ?? {}, given(input.cancellation_details ?? {}))
    endSubscription(account, subscription, 'cancellation_requested')
    return subscription
  }),
  route(
    'post',
    '/subscriptions/:id/resume',
    { billing_cycle_anchor: z.enum(['now', 'unchanged']).optional() },
    ({ account, id }) => {
      const subscription = account.objects.get('subscription', id)
      if (subscription.status !== 'paused') throw invalid('Only paused subscriptions can be resumed.')
      account.update('customer.subscription.updated', subscription, { status: 'active' })
      account.emit('customer.subscription.resumed', subscription)
      renewAndCollect(account, subscription)
      return subscription
    },
  ),
]

function hasStatus(
  { status, ended_at }: Subscription,
  wanted: (typeof statuses)[number] | undefined,
): boolean {
  if (wanted === 'all') return true
  if (wanted === 'ended') return ended_at !== null
  return wanted === undefined ? status !== 'canceled' && status !== 'incomplete_expired' : status === wanted
}

export function update(
  account: Account,
  subscription: Subscription,
  input: z.infer<z.ZodObject<typeof updateInput>>,
): Subscription {
  const isBeyondDetails = Object.keys(input).some(
    (key) => key !== 'metadata' && key !== 'cancellation_details',
  )
  if (subscription.ended_at !== null && isBeyondDetails)
    throw invalid('A canceled subscription can only update its cancellation_details and metadata.')
  const { default_payment_method: chosen, trial_end: trialEnd } = input
  const param = 'default_payment_method'
  const method = chosen ? ownMethod(account, chosen, subscription.customer, param) : undefined
  account.update('customer.subscription.updated', subscription, {
    ...given({ description: input.description, trial_settings: input.trial_settings }),
    ...cancellation(account, subscription, input),
    ...(chosen === undefined ? {} : { default_payment_method: method?.id ?? null }),
    metadata: merged(subscription.metadata, input.metadata),
    ...(typeof trialEnd === 'number' ? postponed(account, subscription, trialEnd) : {}),
  })
  if (trialEnd === 'now' && subscription.status === 'trialing') endTrial(account, subscription, true)
  return subscription
}

function cancellation(
  account: Account,
  subscription: Subscription,
  input: Pick<
    z.infer<z.ZodObject<typeof updateInput>>,
    'cancel_at' | 'cancel_at_period_end' | 'cancellation_details'
  >,
): Partial<Subscription> {
  const { cancel_at: at, cancel_at_period_end: atEnd } = input
  if (at !== undefined && atEnd !== undefined)
    throw invalid('You may only pass one of these parameters: cancel_at, cancel_at_period_end.')
  const details = { ...subscription.cancellation_details, ...given(input.cancellation_details ?? {}) }
  const none = { cancel_at: null, cancel_at_period_end: false, canceled_at: null }
  const asked = (reason: 'cancellation_requested' | null) =>
    ({ cancellation_details: { ...details, reason } }) as Partial<Subscription>
  if (atEnd === false || at === null) return { ...none, ...asked(null) }
  if (atEnd === undefined && at === undefined)
    return input.cancellation_details ? ({ cancellation_details: details } as Partial<Subscription>) : {}
  if (typeof at === 'number' && at <= account.nowS())
    throw invalid('Invalid timestamp: must be in the future.', { param: 'cancel_at' })
  const { end } = periodOf(subscription)
  return {
    cancel_at: typeof at === 'number' ? at : end,
    cancel_at_period_end: atEnd === true,
    canceled_at: account.nowS(),
    ...asked('cancellation_requested'),
  }
}

function postponed(account: Account, subscription: Subscription, trialEnd: number): Partial<Subscription> {
  const trial_end = trialEndOf(account, { trial_end: trialEnd }) ?? trialEnd
  const data = subscription.items.data.map((item) => ({ ...item, current_period_end: trial_end }))
  return {
    status: 'trialing',
    trial_end,
    trial_start: subscription.trial_start ?? account.nowS(),
    billing_cycle_anchor: trial_end,
    items: { ...subscription.items, data },
  }
}
