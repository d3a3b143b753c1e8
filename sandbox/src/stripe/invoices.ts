import type { Account } from './account.ts'
import { takenOff } from './discounts.ts'
import { invalid } from './errors.ts'
import { newId } from './ids.ts'
import { type Invoice, type InvoiceLine, listOf, type Price, type Subscription } from './objects.ts'
import { createIntent } from './payments.ts'
import { hourS } from './periods.ts'

export interface DraftInput {
  customer: string
  currency: string
  lines: InvoiceLine[]
  reason: NonNullable<Invoice['billing_reason']>
  subscription?: Subscription
  description?: string | null
  metadata?: Record<string, string>
  /** What it is about; both ends are now for a first invoice. */
  period?: { start: number; end: number }
  collectionMethod?: Invoice['collection_method']
}

/** A draft; a renewal's is finalised by the clock an hour later. */
export function draftInvoice(account: Account, input: DraftInput): Invoice {
  const { customer: customerId, currency, lines, reason, subscription } = input
  const customer = account.objects.get('customer', customerId, 'customer')
  const now = account.nowS()
  const id = newId('in')
  const subtotal = lines.reduce((sum, { amount }) => sum + amount, 0)
  const off = takenOff(account, (subscription?.discounts ?? []) as string[], subtotal)
  const total = Math.max(0, subtotal - off.reduce((sum, { amount }) => sum + amount, 0))
  const isRenewal = reason === 'subscription_cycle' && subscription?.status !== 'unpaid'
  for (const line of lines) line.invoice = id
  const invoice = account.objects.add<'invoice'>({
    id,
    object: 'invoice',
    account_country: 'US',
    account_name: 'Sandbox',
    account_tax_ids: null,
    amount_due: total,
    amount_overpaid: 0,
    amount_paid: 0,
    amount_remaining: total,
    amount_shipping: 0,
    application: null,
    attempt_count: 0,
    attempted: false,
    auto_advance: isRenewal,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null, provider: null, status: null },
    automatically_finalizes_at: isRenewal ? now + hourS : null,
    billing_reason: reason,
    collection_method: input.collectionMethod ?? 'charge_automatically',
    created: now,
    currency,
    custom_fields: null,
    customer: customerId,
    customer_account: null,
    customer_address: null,
    customer_email: customer.email,
    customer_name: customer.name ?? null,
    customer_phone: customer.phone ?? null,
    customer_shipping: null,
    customer_tax_exempt: 'none',
    customer_tax_ids: [],
    default_payment_method: null,
    default_source: null,
    default_tax_rates: [],
    description: input.description ?? null,
    discounts: off.map(({ discount }) => discount),
    due_date: null,
    effective_at: null,
    ending_balance: null,
    footer: null,
    from_invoice: null,
    hosted_invoice_url: null,
    invoice_pdf: null,
    issuer: { type: 'self' },
    last_finalization_error: null,
    latest_revision: null,
    lines: listOf(`/v1/invoices/${id}/lines`, lines),
    livemode: false,
    metadata: input.metadata ?? {},
    next_payment_attempt: isRenewal ? now + hourS : null,
    number: null,
    on_behalf_of: null,
    parent: subscription
      ? {
          quote_details: null,
          subscription_details: { metadata: subscription.metadata, subscription: subscription.id },
          type: 'subscription_details',
        }
      : null,
    payment_settings: { default_mandate: null, payment_method_options: null, payment_method_types: null },
    period_end: input.period?.end ?? now,
    period_start: input.period?.start ?? now,
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    receipt_number: null,
    rendering: null,
    shipping_cost: null,
    shipping_details: null,
    starting_balance: 0,
    statement_descriptor: null,
    status: 'draft',
    status_transitions: { finalized_at: null, marked_uncollectible_at: null, paid_at: null, voided_at: null },
    subtotal,
    subtotal_excluding_tax: subtotal,
    test_clock: null,
    total,
    total_discount_amounts: off.map(({ amount, discount }) => ({ amount, discount })),
    total_excluding_tax: total,
    total_pretax_credit_amounts: [],
    total_taxes: [],
    webhooks_delivered_at: now,
  })
  // A coupon for one invoice is used up by the first that it made cheaper.
  if (subscription && subtotal > 0) {
    const used = off.filter(({ isOnce }) => isOnce).map(({ discount }) => discount)
    subscription.discounts = subscription.discounts.filter((discount) => !used.includes(discount as string))
  }
  account.emit('invoice.created', invoice)
  return invoice
}

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

/** draft → open, with a payment intent when there is something to pay; of nothing, at once → paid. */
export function finalizeInvoice(account: Account, invoice: Invoice): Invoice {
  if (invoice.status !== 'draft')
    throw invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.", {
      code: 'invoice_not_editable',
    })
  const now = account.nowS()
  Object.assign(invoice, {
    status: 'open',
    number: account.nextInvoiceNumber(),
    effective_at: now,
    automatically_finalizes_at: null,
    hosted_invoice_url: `${account.pages}/invoice/${invoice.id}`,
    invoice_pdf: `${account.pages}/invoice/${invoice.id}`,
    ending_balance: 0,
  })
  invoice.status_transitions.finalized_at = now
  if (invoice.amount_due > 0) {
    const { amount_due: amount, currency, customer, description } = invoice
    const intent = createIntent(account, { amount, currency, customer, description })
    account.objects.add<'invoice_payment'>({
      id: newId('inpay'),
      object: 'invoice_payment',
      amount_paid: null,
      amount_requested: amount,
      created: now,
      currency,
      invoice: invoice.id,
      is_default: true,
      livemode: false,
      payment: { payment_intent: intent.id, type: 'payment_intent' },
      status: 'open',
      status_transitions: { canceled_at: null, paid_at: null },
    })
  }
  account.emit('invoice.finalized', invoice)
  if (invoice.amount_due === 0) markPaid(account, invoice)
  return invoice
}

export const paymentOf = (account: Account, invoice: Invoice) =>
  account.objects.all('invoice_payment').find((payment) => payment.invoice === invoice.id)

export function markPaid(account: Account, invoice: Invoice): void {
  const now = account.nowS()
  const payment = paymentOf(account, invoice)
  if (payment) {
    Object.assign(payment, { status: 'paid', amount_paid: invoice.amount_due })
    payment.status_transitions.paid_at = now
    account.emit('invoice_payment.paid', payment)
  }
  Object.assign(invoice, {
    status: 'paid',
    amount_paid: invoice.amount_due,
    amount_remaining: 0,
    attempted: true,
    auto_advance: false,
    next_payment_attempt: null,
  })
  invoice.status_transitions.paid_at = now
  account.emit('invoice.paid', invoice)
  account.emit('invoice.payment_succeeded', invoice)
}

export function voidInvoice(account: Account, invoice: Invoice): Invoice {
  if (invoice.status !== 'open' && invoice.status !== 'uncollectible')
    throw invalid(`You can only pass in open invoices. This invoice isn't open.`)
  Object.assign(invoice, { status: 'void', auto_advance: false, next_payment_attempt: null })
  invoice.status_transitions.voided_at = account.nowS()
  account.emit('invoice.voided', invoice)
  return invoice
}

/** The subscription that an invoice bills, if any. */
export function subscriptionOf(account: Account, invoice: Invoice): Subscription | undefined {
  const id = invoice.parent?.subscription_details?.subscription
  return id ? account.objects.get('subscription', String(id)) : undefined
}
