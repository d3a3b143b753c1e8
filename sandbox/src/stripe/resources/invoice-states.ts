import type { Account } from '../account.ts'
import { invalid } from '../api/errors.ts'
import { newId } from '../ids.ts'
import type { Invoice, Subscription } from '../objects.ts'
import { createIntent } from './payments.ts'

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
