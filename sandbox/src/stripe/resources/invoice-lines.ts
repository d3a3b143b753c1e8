import { newId } from '../ids.ts'
import type { InvoiceLine, Price } from '../objects.ts'

/** One period of a subscription, or its trial, as a line. */
export function periodLine(
  subscription: { id: string; metadata: Record<string, string> },
  item: { id: string; price: Price; quantity: number; name: string },
  period: { start: number; end: number },
  isTrial: boolean,
): InvoiceLine {
  const amount = isTrial ? 0 : (item.price.unit_amount ?? 0) * item.quantity
  return {
    ...plainLine({ amount, currency: item.price.currency, period, quantity: item.quantity }),
    description: isTrial
      ? `Trial period for ${item.name}`
      : `${item.quantity} × ${item.name} (at $${((item.price.unit_amount ?? 0) / 100).toFixed(2)} / ${item.price.recurring?.interval})`,
    metadata: subscription.metadata,
    parent: {
      invoice_item_details: null,
      subscription_item_details: {
        invoice_item: null,
        proration: false,
        proration_details: { credited_items: null },
        subscription: subscription.id,
        subscription_item: item.id,
      },
      type: 'subscription_item_details',
    },
    pricing: {
      price_details: { price: item.price.id, product: item.price.product },
      type: 'price_details',
      unit_amount_decimal: item.price.unit_amount_decimal,
    },
    subscription: subscription.id,
  }
}

export function plainLine(line: {
  amount: number
  currency: string
  quantity: number
  period: { start: number; end: number }
}): InvoiceLine {
  return {
    ...line,
    id: newId('il'),
    object: 'line_item',
    description: null,
    discount_amounts: [],
    discountable: true,
    discounts: [],
    invoice: null,
    livemode: false,
    metadata: {},
    parent: null,
    pretax_credit_amounts: [],
    pricing: null,
    quantity_decimal: String(line.quantity),
    subscription: null,
    subtotal: line.amount,
    taxes: [],
  }
}
