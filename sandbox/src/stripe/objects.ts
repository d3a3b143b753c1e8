import type Stripe from 'stripe'
import type { Keepable } from '../kept.ts'
import { missing } from './api/errors.ts'

// The SDK reads decimals into a class of its own; on the wire they are text.
export type Price = Omit<Stripe.Price, 'unit_amount_decimal'> & { unit_amount_decimal: string | null }
export type Plan = Omit<Stripe.Plan, 'amount_decimal'> & { amount_decimal: string | null }
export type SubscriptionItem = Omit<Stripe.SubscriptionItem, 'plan' | 'price'> & { plan: Plan; price: Price }
export type Subscription = Omit<Stripe.Subscription, 'items'> & {
  customer: string
  items: List<SubscriptionItem>
}
export type InvoiceLine = Omit<Stripe.InvoiceLineItem, 'pricing' | 'quantity_decimal'> & {
  pricing: object | null
  quantity_decimal: string | null
}
export type Invoice = Omit<Stripe.Invoice, 'lines' | 'customer'> & {
  customer: string
  lines: List<InvoiceLine>
}
export type InvoiceItem = Omit<Stripe.InvoiceItem, 'quantity_decimal' | 'pricing' | 'customer'> & {
  customer: string
  quantity_decimal: string
  pricing: object | null
}
export type LineItem = Omit<Stripe.LineItem, 'price'> & { price: Price }
export type Session = Omit<Stripe.Checkout.Session, 'line_items'> & { line_items?: List<LineItem> }
export type StripeEvent = Omit<Stripe.EventBase, 'data' | 'type'> & {
  type: string
  data: { object: object; previous_attributes?: object }
}

export interface List<T> {
  object: 'list'
  data: T[]
  has_more: boolean
  url: string
}

export const listOf = <T>(url: string, data: T[]): List<T> => ({ object: 'list', data, has_more: false, url })

/** Every kind of object, by the name that it carries. */
export interface Kinds {
  'billing_portal.session': Stripe.BillingPortal.Session
  charge: Stripe.Charge
  'checkout.session': Session
  coupon: Stripe.Coupon
  customer: Stripe.Customer
  discount: Stripe.Discount
  dispute: Stripe.Dispute
  event: StripeEvent
  invoice: Invoice
  invoice_payment: Stripe.InvoicePayment
  invoiceitem: InvoiceItem
  payment_intent: Stripe.PaymentIntent
  payment_method: Stripe.PaymentMethod
  price: Price
  product: Stripe.Product
  promotion_code: Stripe.PromotionCode
  refund: Stripe.Refund
  subscription: Subscription
  subscription_item: SubscriptionItem
  webhook_endpoint: Stripe.WebhookEndpoint
}
export type Kind = keyof Kinds
export type AnyObject = Kinds[Kind]

/** The words of Stripe's errors where they are not the object's name. */
const spoken: Partial<Record<Kind, string>> = {
  'checkout.session': 'checkout.session',
  payment_method: 'PaymentMethod',
  promotion_code: 'promotion code',
}

/** Every object there is, in the order of making. */
export class Objects implements Keepable {
  readonly #byId = new Map<string, AnyObject>()
  readonly #byKind = new Map<string, AnyObject[]>()

  add<K extends Kind>(object: Kinds[K] & { object: K }): Kinds[K] {
    this.#byId.set(object.id, object)
    const kind = this.#byKind.get(object.object) ?? []
    kind.push(object)
    this.#byKind.set(object.object, kind)
    return object
  }

  save(): AnyObject[] {
    return [...this.#byId.values()]
  }

  load(saved: AnyObject[]): void {
    this.#byId.clear()
    this.#byKind.clear()
    for (const object of saved) this.add(object as never)
  }

  find(id: string): AnyObject | undefined {
    return this.#byId.get(id)
  }

  /** @throws StripeError resource_missing, which names `param` */
  get<K extends Kind>(kind: K, id: string, param = 'id'): Kinds[K] {
    const found = this.#byId.get(id)
    if (found?.object !== kind) throw missing(spoken[kind] ?? kind, id, param)
    return found as Kinds[K]
  }

  all<K extends Kind>(kind: K): Kinds[K][] {
    return [...(this.#byKind.get(kind) ?? [])] as Kinds[K][]
  }

  delete(object: AnyObject): void {
    this.#byId.delete(object.id)
    const others = (this.#byKind.get(object.object) ?? []).filter((other) => other !== object)
    this.#byKind.set(object.object, others)
  }
}
