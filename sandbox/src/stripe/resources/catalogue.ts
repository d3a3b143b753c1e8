import type Stripe from 'stripe'
import { z } from 'zod'
import type { Account } from '../account.ts'
import { listPage, page } from '../api/list.ts'
import { bool, count, currency, given, merged, metadata, type Route, route, text } from '../api/route.ts'
import { newId } from '../ids.ts'
import type { Plan, Price } from '../objects.ts'

const productInput = {
  name: text,
  description: text.optional(),
  active: bool.optional(),
  metadata: metadata.optional(),
}

export const recurringInput = z.strictObject({
  interval: z.enum(['day', 'week', 'month', 'year']),
  interval_count: count.refine((value) => value > 0, 'must be greater than 0').optional(),
  usage_type: z.literal('licensed').optional(),
})
const priceInput = {
  currency,
  unit_amount: count,
  product: text.optional(),
  product_data: z.strictObject(productInput).optional(),
  recurring: recurringInput.optional(),
  nickname: text.optional(),
  lookup_key: text.optional(),
  active: bool.optional(),
  metadata: metadata.optional(),
  tax_behavior: z.enum(['exclusive', 'inclusive', 'unspecified']).optional(),
}
type ProductInput = z.infer<z.ZodObject<typeof productInput>>
export type PriceInput = z.infer<z.ZodObject<typeof priceInput>>

export function createProduct(
  account: Account,
  input: ProductInput & { id?: string | undefined },
): Stripe.Product {
  const product = account.objects.add<'product'>({
    id: input.id ?? newId('prod').slice(0, 19),
    object: 'product',
    active: input.active ?? true,
    created: account.nowS(),
    default_price: null,
    description: input.description ?? null,
    images: [],
    livemode: false,
    marketing_features: [],
    metadata: merged({}, input.metadata),
    name: input.name,
    package_dimensions: null,
    shippable: null,
    statement_descriptor: null,
    tax_code: null,
    tax_details: null,
    type: 'service',
    unit_label: null,
    updated: account.nowS(),
    url: null,
  })
  account.emit('product.created', product)
  return product
}

export function createPrice(account: Account, input: PriceInput & { id?: string | undefined }): Price {
  const product = input.product_data
    ? createProduct(account, input.product_data)
    : account.objects.get('product', input.product ?? '', 'product')
  const { recurring } = input
  const price = account.objects.add<'price'>({
    id: input.id ?? newId('price'),
    object: 'price',
    active: input.active ?? true,
    billing_scheme: 'per_unit',
    created: account.nowS(),
    currency: input.currency,
    custom_unit_amount: null,
    livemode: false,
    lookup_key: input.lookup_key ?? null,
    metadata: merged({}, input.metadata),
    nickname: input.nickname ?? null,
    product: product.id,
    recurring: recurring
      ? {
          interval: recurring.interval,
          interval_count: recurring.interval_count ?? 1,
          meter: null,
          trial_period_days: null,
          usage_type: 'licensed',
        }
      : null,
    tax_behavior: input.tax_behavior ?? 'unspecified',
    tiers_mode: null,
    transform_quantity: null,
    type: recurring ? 'recurring' : 'one_time',
    unit_amount: input.unit_amount,
    unit_amount_decimal: String(input.unit_amount),
  })
  account.emit('price.created', price)
  return price
}

/** The old form of a recurring price, which subscription items still carry. */
export function planOf(price: Price): Plan {
  return {
    id: price.id,
    object: 'plan',
    active: price.active,
    amount: price.unit_amount,
    amount_decimal: price.unit_amount_decimal,
    billing_scheme: 'per_unit',
    created: price.created,
    currency: price.currency,
    interval: price.recurring?.interval ?? 'month',
    interval_count: price.recurring?.interval_count ?? 1,
    livemode: false,
    metadata: price.metadata,
    meter: null,
    nickname: price.nickname,
    product: price.product,
    tiers_mode: null,
    transform_usage: null,
    trial_period_days: null,
    usage_type: 'licensed',
  }
}

export const catalogueRoutes: Route[] = [
  route('post', '/products', { ...productInput, id: text.optional() }, ({ account, input }) =>
    createProduct(account, input),
  ),
  route('get', '/products', { ...page, active: bool.optional() }, ({ account, input }) =>
    listPage(
      account.objects,
      'product',
      '/v1/products',
      input,
      ({ active }) => active === (input.active ?? active),
    ),
  ),
  route('get', '/products/:id', {}, ({ account, id }) => account.objects.get('product', id)),
  route('post', '/products/:id', { ...productInput, name: text.optional() }, ({ account, id, input }) => {
    const product = account.objects.get('product', id)
    const { name, description, active } = input
    const changes = given({ name, description, active, metadata: merged(product.metadata, input.metadata) })
    account.update('product.updated', product, changes)
    return product
  }),
  route('post', '/prices', priceInput, ({ account, input }) => createPrice(account, input)),
  route(
    'get',
    '/prices',
    { ...page, active: bool.optional(), product: text.optional(), lookup_keys: z.array(text).optional() },
    ({ account, input }) =>
      listPage(
        account.objects,
        'price',
        '/v1/prices',
        input,
        (price) =>
          price.active === (input.active ?? price.active) &&
          price.product === (input.product ?? price.product) &&
          (input.lookup_keys === undefined || input.lookup_keys.includes(price.lookup_key ?? '')),
      ),
  ),
  route('get', '/prices/:id', {}, ({ account, id }) => account.objects.get('price', id)),
  route(
    'post',
    '/prices/:id',
    {
      active: bool.optional(),
      nickname: text.optional(),
      lookup_key: text.optional(),
      metadata: metadata.optional(),
    },
    ({ account, id, input }) => {
      const price = account.objects.get('price', id)
      const { active, nickname, lookup_key } = input
      const changes = given({
        active,
        nickname,
        lookup_key,
        metadata: merged(price.metadata, input.metadata),
      })
      account.update('price.updated', price, changes)
      return price
    },
  ),
]
