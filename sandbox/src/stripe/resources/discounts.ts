import type Stripe from 'stripe'
import { z } from 'zod'
import type { Account } from '../account.ts'
import { invalid } from '../api/errors.ts'
import { listPage, page } from '../api/list.ts'
import { bool, count, currency, given, int, merged, metadata, type Route, route, text } from '../api/route.ts'
import { newId, randomText } from '../ids.ts'

export const discountInput = z.strictObject({ coupon: text.optional(), promotion_code: text.optional() })
export type DiscountInput = z.infer<typeof discountInput>

/** The coupon behind a parameter, with the promotion code that named it. */
function resolve(account: Account, input: DiscountInput) {
  if (input.promotion_code === undefined) {
    return { coupon: account.objects.get('coupon', input.coupon ?? '', 'discounts[0][coupon]'), code: null }
  }
  const code = account.objects.get('promotion_code', input.promotion_code, 'discounts[0][promotion_code]')
  if (!isUsable(account, code))
    throw invalid('This promotion code is no longer valid.', { code: 'coupon_expired' })
  return { coupon: account.objects.get('coupon', String(code.promotion.coupon)), code }
}

function isUsable(account: Account, code: Stripe.PromotionCode): boolean {
  const isOver = code.expires_at !== null && code.expires_at <= account.nowS()
  const isUsedUp = code.max_redemptions !== null && code.times_redeemed >= code.max_redemptions
  return code.active && !isOver && !isUsedUp
}

/** What a person typed on a page; undefined when it is no code that can be used. */
export const findPromotionCode = (account: Account, typed: string) =>
  account.objects
    .all('promotion_code')
    .find((code) => code.code.toLowerCase() === typed.trim().toLowerCase() && isUsable(account, code))

/** Begins a discount for a subscription. */
export function startDiscount(
  account: Account,
  input: DiscountInput,
  owner: { customer: string; subscription: string; checkout_session: string | null },
): string {
  const { coupon, code } = resolve(account, input)
  coupon.times_redeemed += 1
  if (code) code.times_redeemed += 1
  const start = account.nowS()
  const months = coupon.duration_in_months
  const discount = account.objects.add<'discount'>({
    id: newId('di'),
    object: 'discount',
    ...owner,
    customer_account: null,
    end:
      months === null
        ? null
        : new Date(start * 1000).setUTCMonth(new Date(start * 1000).getUTCMonth() + months) / 1000,
    invoice: null,
    invoice_item: null,
    promotion_code: code?.id ?? null,
    source: { coupon: coupon.id, type: 'coupon' },
    start,
    subscription_item: null,
  })
  account.emit('customer.discount.created', discount)
  return discount.id
}

/** What a coupon takes off an amount in the smallest unit. */
export function amountOff(coupon: Stripe.Coupon, amount: number): number {
  if (coupon.amount_off !== null) return Math.min(coupon.amount_off, amount)
  return Math.round((amount * (coupon.percent_off ?? 0)) / 100)
}

export function couponOf(account: Account, input: DiscountInput): Stripe.Coupon {
  return resolve(account, input).coupon
}

/** What each of a subscription's discounts takes off an invoice now. */
export function takenOff(account: Account, discounts: string[], subtotal: number) {
  return discounts.flatMap((id) => {
    const discount = account.objects.get('discount', id)
    if (discount.end !== null && discount.end <= account.nowS()) return []
    const coupon = account.objects.get('coupon', String(discount.source.coupon))
    return [{ amount: amountOff(coupon, subtotal), discount: id, isOnce: coupon.duration === 'once' }]
  })
}

const couponInput = {
  id: text.optional(),
  name: text.optional(),
  percent_off: z.string().transform(Number).pipe(z.number().positive().max(100)).optional(),
  amount_off: count.optional(),
  currency: currency.optional(),
  duration: z.enum(['once', 'repeating', 'forever']).optional(),
  duration_in_months: int.optional(),
  max_redemptions: int.optional(),
  metadata: metadata.optional(),
}

export const discountRoutes: Route[] = [
  route('post', '/coupons', couponInput, ({ account, input }) => {
    if ((input.percent_off === undefined) === (input.amount_off === undefined))
      throw invalid('You must pass either percent_off or amount_off', { code: 'parameter_missing' })
    const coupon = account.objects.add<'coupon'>({
      id: input.id ?? randomText(8),
      object: 'coupon',
      amount_off: input.amount_off ?? null,
      created: account.nowS(),
      currency: input.currency ?? null,
      duration: input.duration ?? 'once',
      duration_in_months: input.duration_in_months ?? null,
      livemode: false,
      max_redemptions: input.max_redemptions ?? null,
      metadata: merged({}, input.metadata),
      name: input.name ?? null,
      percent_off: input.percent_off ?? null,
      redeem_by: null,
      times_redeemed: 0,
      valid: true,
    })
    account.emit('coupon.created', coupon)
    return coupon
  }),
  route('get', '/coupons', page, ({ account, input }) =>
    listPage(account.objects, 'coupon', '/v1/coupons', input),
  ),
  route('get', '/coupons/:id', {}, ({ account, id }) => account.objects.get('coupon', id)),
  route(
    'post',
    '/promotion_codes',
    {
      promotion: z.strictObject({ type: z.literal('coupon'), coupon: text }),
      code: text.optional(),
      active: bool.optional(),
      expires_at: int.optional(),
      max_redemptions: int.optional(),
      metadata: metadata.optional(),
    },
    ({ account, input }) => {
      const coupon = account.objects.get('coupon', input.promotion.coupon, 'promotion[coupon]')
      const code = account.objects.add<'promotion_code'>({
        id: newId('promo'),
        object: 'promotion_code',
        active: input.active ?? true,
        code: input.code ?? randomText(8).toUpperCase(),
        created: account.nowS(),
        customer: null,
        customer_account: null,
        expires_at: input.expires_at ?? null,
        livemode: false,
        max_redemptions: input.max_redemptions ?? null,
        metadata: merged({}, input.metadata),
        promotion: { coupon: coupon.id, type: 'coupon' },
        restrictions: { first_time_transaction: false, minimum_amount: null, minimum_amount_currency: null },
        times_redeemed: 0,
      })
      account.emit('promotion_code.created', code)
      return code
    },
  ),
  route(
    'get',
    '/promotion_codes',
    { ...page, code: text.optional(), active: bool.optional() },
    ({ account, input }) =>
      listPage(
        account.objects,
        'promotion_code',
        '/v1/promotion_codes',
        input,
        ({ code, active }) =>
          active === (input.active ?? active) && code.toLowerCase() === (input.code ?? code).toLowerCase(),
      ),
  ),
  route('get', '/promotion_codes/:id', {}, ({ account, id }) => account.objects.get('promotion_code', id)),
  route(
    'post',
    '/promotion_codes/:id',
    { active: bool.optional(), metadata: metadata.optional() },
    (call) => {
      const { account, id, input } = call
      const code = account.objects.get('promotion_code', id)
      const changes = given({ active: input.active, metadata: merged(code.metadata ?? {}, input.metadata) })
      account.update('promotion_code.updated', code, changes)
      return code
    },
  ),
]
