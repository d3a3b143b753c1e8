import type { Account } from '../account.ts'
import { newId } from '../ids.ts'
import { type Invoice, type InvoiceLine, listOf, type Subscription } from '../objects.ts'
import { takenOff } from './discounts.ts'
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
