import type Stripe from 'stripe'
import { z } from 'zod'
import type { Account } from '../account.ts'
import { listPage, page } from '../api/list.ts'
import { given, merged, metadata, type Route, route, text, unset } from '../api/route.ts'
import { newId, randomText } from '../ids.ts'
import { endSubscription } from './collection.ts'
import { attach, ownMethod, requireAccepted, resolveMethod } from './payment-methods.ts'

const input = {
  email: z.union([unset, text]).optional(),
  name: z.union([unset, text]).optional(),
  phone: z.union([unset, text]).optional(),
  description: z.union([unset, text]).optional(),
  metadata: metadata.optional(),
  preferred_locales: z.array(text).optional(),
  invoice_settings: z.strictObject({ default_payment_method: z.union([unset, text]).optional() }).optional(),
}
type CustomerInput = z.infer<z.ZodObject<typeof input>>

export function createCustomer(
  account: Account,
  given: CustomerInput & { payment_method?: string | undefined },
) {
  const { payment_method: first, invoice_settings } = given
  const method = first ? resolveMethod(account, first, 'payment_method') : undefined
  const chosen = invoice_settings?.default_payment_method
  const param = 'invoice_settings[default_payment_method]'
  // `pm_card_…` twice in one request is one card, as at Stripe.
  const byDefault = chosen ? (chosen === first ? method : resolveMethod(account, chosen, param)) : undefined
  for (const each of [method, byDefault]) if (each) requireAccepted(account, each)
  const customer = account.objects.add<'customer'>({
    id: newId('cus').slice(0, 18),
    object: 'customer',
    address: null,
    balance: 0,
    created: account.nowS(),
    currency: null,
    customer_account: null,
    default_source: null,
    delinquent: false,
    description: given.description ?? null,
    discount: null,
    email: given.email ?? null,
    invoice_prefix: randomText(8).toUpperCase(),
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null,
      footer: null,
      rendering_options: null,
    },
    livemode: false,
    metadata: merged({}, given.metadata),
    name: given.name ?? null,
    next_invoice_sequence: 1,
    phone: given.phone ?? null,
    preferred_locales: given.preferred_locales ?? [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
  })
  account.emit('customer.created', customer)
  if (method) attach(account, method, customer.id)
  if (byDefault) {
    attach(account, byDefault, customer.id)
    customer.invoice_settings.default_payment_method = byDefault.id
  }
  return customer
}

function updateCustomer(account: Account, customer: Stripe.Customer, input: CustomerInput): Stripe.Customer {
  const { email, name, phone, description } = input
  const chosen = input.invoice_settings?.default_payment_method
  const changes: Partial<Stripe.Customer> = {
    ...given({ email, name, phone, description, preferred_locales: input.preferred_locales }),
    metadata: merged(customer.metadata, input.metadata),
  }
  if (chosen !== undefined) setDefault(account, customer, chosen, changes)
  account.update('customer.updated', customer, changes)
  return customer
}

function setDefault(
  account: Account,
  customer: Stripe.Customer,
  chosen: string | null,
  changes: Partial<Stripe.Customer>,
): void {
  const param = 'invoice_settings[default_payment_method]'
  const method = chosen === null ? null : ownMethod(account, chosen, customer.id, param)
  changes.invoice_settings = { ...customer.invoice_settings, default_payment_method: method?.id ?? null }
}

export const customerRoutes: Route[] = [
  route('post', '/customers', { ...input, payment_method: text.optional() }, ({ account, input }) =>
    createCustomer(account, input),
  ),
  route('get', '/customers', { ...page, email: text.optional() }, ({ account, input }) =>
    listPage(account.objects, 'customer', '/v1/customers', input, ({ email, deleted }) =>
      deleted ? false : input.email === undefined || email === input.email,
    ),
  ),
  route('get', '/customers/:id', {}, ({ account, id }) => {
    const customer = account.objects.get('customer', id)
    return customer.deleted ? { id, object: 'customer', deleted: true } : customer
  }),
  route('post', '/customers/:id', input, ({ account, id, input }) =>
    updateCustomer(account, account.objects.get('customer', id), input),
  ),
  route('delete', '/customers/:id', {}, ({ account, id }) => {
    const customer = account.objects.get('customer', id)
    for (const subscription of account.objects.all('subscription')) {
      if (subscription.customer === id && subscription.ended_at === null)
        endSubscription(account, subscription, 'cancellation_requested')
    }
    account.emit('customer.deleted', customer)
    Object.assign(customer, { deleted: true })
    return { id, object: 'customer', deleted: true }
  }),
]
