import { z } from 'zod'
import type { Account } from '../account.ts'
import { invalid } from '../api/errors.ts'
import { listPage, page } from '../api/list.ts'
import { bool, currency, given, int, merged, metadata, type Route, route, text } from '../api/route.ts'
import { newId } from '../ids.ts'
import type { Invoice, InvoiceItem } from '../objects.ts'
import { collect, methodFor } from './collection.ts'
import { plainLine } from './invoice-lines.ts'
import { finalizeInvoice, paymentOf, subscriptionOf, voidInvoice } from './invoice-states.ts'
import { draftInvoice } from './invoices.ts'
import { declined, ownMethod } from './payment-methods.ts'

const itemInput = {
  customer: text,
  amount: int,
  currency: currency.optional(),
  description: text.optional(),
  metadata: metadata.optional(),
}

/** Pays what is open. @throws StripeError card_error with the payment intent when it is declined */
export function pay(account: Account, invoice: Invoice, chosen?: string): Invoice {
  if (invoice.status === 'draft') finalizeInvoice(account, invoice)
  if (invoice.status === 'paid') throw invalid('Invoice is already paid', { code: 'invoice_already_paid' })
  if (invoice.status !== 'open') throw invalid('This invoice can no longer be paid')
  const method = chosen ? ownMethod(account, chosen, invoice.customer, 'payment_method') : undefined
  if (!method && !methodFor(account, invoice.customer, subscriptionOf(account, invoice)))
    throw invalid('This customer has no attached payment source or default payment method.', {
      code: 'resource_missing',
    })
  const decline = collect(account, invoice, method)
  const intent = account.objects.find(String(paymentOf(account, invoice)?.payment.payment_intent))
  if (decline) throw declined(decline, intent ? { payment_intent: structuredClone(intent) } : {})
  return invoice
}

const invoiceInput = {
  description: text.optional(),
  metadata: metadata.optional(),
  auto_advance: bool.optional(),
}

/** Invoices (https://docs.stripe.com/api/invoices). */
export const invoiceRoutes: Route[] = [
  route('post', '/invoiceitems', itemInput, ({ account, input }) => createItem(account, input)),
  route('get', '/invoiceitems', { ...page, customer: text.optional() }, ({ account, input }) =>
    listPage(
      account.objects,
      'invoiceitem',
      '/v1/invoiceitems',
      input,
      ({ customer }) => customer === (input.customer ?? customer),
    ),
  ),
  route(
    'post',
    '/invoices',
    {
      ...invoiceInput,
      customer: text,
      currency: currency.optional(),
      collection_method: z.enum(['charge_automatically', 'send_invoice']).optional(),
      days_until_due: int.optional(),
      pending_invoice_items_behavior: z.enum(['include', 'exclude']).optional(),
    },
    ({ account, input }) => {
      const isIncluding = input.pending_invoice_items_behavior === 'include'
      const pending = account.objects
        .all('invoiceitem')
        .filter(({ customer, invoice }) => isIncluding && customer === input.customer && invoice === null)
      const period = { start: account.nowS(), end: account.nowS() }
      const lines = pending.map(({ amount, currency, description, quantity }) =>
        Object.assign(plainLine({ amount, currency, quantity, period }), { description }),
      )
      const invoice = draftInvoice(account, {
        customer: input.customer,
        currency: input.currency ?? pending[0]?.currency ?? 'usd',
        lines,
        reason: 'manual',
        description: input.description ?? null,
        metadata: merged({}, input.metadata),
        ...(input.collection_method ? { collectionMethod: input.collection_method } : {}),
      })
      for (const item of pending) item.invoice = invoice.id
      return invoice
    },
  ),
  route(
    'get',
    '/invoices',
    {
      ...page,
      customer: text.optional(),
      subscription: text.optional(),
      status: z.enum(['draft', 'open', 'paid', 'uncollectible', 'void']).optional(),
    },
    ({ account, input }) =>
      listPage(
        account.objects,
        'invoice',
        '/v1/invoices',
        input,
        (invoice) =>
          invoice.customer === (input.customer ?? invoice.customer) &&
          invoice.status === (input.status ?? invoice.status) &&
          (input.subscription === undefined || subscriptionOf(account, invoice)?.id === input.subscription),
      ),
  ),
  route('get', '/invoices/:id', {}, ({ account, id }) => account.objects.get('invoice', id)),
  route('post', '/invoices/:id', invoiceInput, ({ account, id, input }) => {
    const invoice = account.objects.get('invoice', id)
    const { description, auto_advance } = input
    const changes = given({
      description,
      auto_advance,
      metadata: merged(invoice.metadata ?? {}, input.metadata),
    })
    account.update('invoice.updated', invoice, changes)
    return invoice
  }),
  route('post', '/invoices/:id/finalize', { auto_advance: bool.optional() }, ({ account, id }) =>
    finalizeInvoice(account, account.objects.get('invoice', id)),
  ),
  route(
    'post',
    '/invoices/:id/pay',
    { payment_method: text.optional(), off_session: bool.optional() },
    (call) => pay(call.account, call.account.objects.get('invoice', call.id), call.input.payment_method),
  ),
  route('post', '/invoices/:id/void', {}, ({ account, id }) =>
    voidInvoice(account, account.objects.get('invoice', id)),
  ),
  route('get', '/invoice_payments', { ...page, invoice: text.optional() }, ({ account, input }) =>
    listPage(
      account.objects,
      'invoice_payment',
      '/v1/invoice_payments',
      input,
      ({ invoice }) => invoice === (input.invoice ?? invoice),
    ),
  ),
]

function createItem(account: Account, input: z.infer<z.ZodObject<typeof itemInput>>): InvoiceItem {
  account.objects.get('customer', input.customer, 'customer')
  const now = account.nowS()
  const item = account.objects.add<'invoiceitem'>({
    id: newId('ii'),
    object: 'invoiceitem',
    amount: input.amount,
    currency: input.currency ?? 'usd',
    customer: input.customer,
    customer_account: null,
    date: now,
    description: input.description ?? null,
    discountable: true,
    discounts: [],
    invoice: null,
    livemode: false,
    metadata: merged({}, input.metadata),
    parent: null,
    period: { start: now, end: now },
    pricing: null,
    proration: false,
    quantity: 1,
    quantity_decimal: '1',
    tax_rates: [],
    test_clock: null,
  })
  account.emit('invoiceitem.created', item)
  return item
}
