import type Stripe from 'stripe'
import { z } from 'zod'
import type { Account } from '../account.ts'
import { invalid } from '../api/errors.ts'
import { listPage, page } from '../api/list.ts'
import { int, merged, metadata, type Route, route, text } from '../api/route.ts'
import { newId } from '../ids.ts'

const refundInput = {
  charge: text.optional(),
  payment_intent: text.optional(),
  amount: int.optional(),
  reason: z.enum(['duplicate', 'fraudulent', 'requested_by_customer']).optional(),
  metadata: metadata.optional(),
}

function createRefund(account: Account, input: z.infer<z.ZodObject<typeof refundInput>>): Stripe.Refund {
  const intent = input.payment_intent
    ? account.objects.get('payment_intent', input.payment_intent, 'payment_intent')
    : undefined
  const charge = account.objects.get('charge', input.charge ?? String(intent?.latest_charge ?? ''), 'charge')
  const left = charge.amount_captured - charge.amount_refunded
  if (left === 0)
    throw invalid(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' })
  const amount = input.amount ?? left
  if (amount < 1 || amount > left)
    throw invalid(
      `Refund amount ($${(amount / 100).toFixed(2)}) is greater than unrefunded amount on charge ($${(left / 100).toFixed(2)})`,
      {
        param: 'amount',
      },
    )
  const refund = account.objects.add<'refund'>({
    id: newId('re'),
    object: 'refund',
    amount,
    balance_transaction: null,
    charge: charge.id,
    created: account.nowS(),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    metadata: merged({}, input.metadata),
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason: input.reason ?? null,
    receipt_number: null,
    source_transfer_reversal: null,
    status: 'succeeded',
    transfer_reversal: null,
  })
  charge.amount_refunded += amount
  charge.refunded = charge.amount_refunded === charge.amount_captured
  account.emit('refund.created', refund)
  account.emit('charge.refunded', charge)
  return refund
}

/** The person's bank takes the money back. */
export function openDispute(account: Account, id: string): Stripe.Dispute {
  const charge = account.objects.get('charge', id)
  if (charge.disputed || !charge.paid) throw invalid('This charge can not be disputed.')
  charge.disputed = true
  const dispute = account.objects.add<'dispute'>({
    id: newId('du'),
    object: 'dispute',
    amount: charge.amount,
    balance_transactions: [],
    charge: charge.id,
    created: account.nowS(),
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: {} as Stripe.Dispute.Evidence,
    evidence_details: {
      submission_method: 'manual',
      due_by: account.nowS() + 7 * 86_400,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
    },
    intended_submission_method: null,
    is_charge_refundable: false,
    livemode: false,
    metadata: {},
    payment_intent: charge.payment_intent,
    reason: 'fraudulent',
    status: 'needs_response',
  })
  account.emit('charge.dispute.created', dispute)
  return dispute
}

export function closeDispute(account: Account, id: string, status: 'won' | 'lost'): Stripe.Dispute {
  const dispute = account.objects.get('dispute', id)
  dispute.status = status
  account.emit('charge.dispute.closed', dispute)
  return dispute
}

export const refundRoutes: Route[] = [
  route('post', '/refunds', refundInput, ({ account, input }) => createRefund(account, input)),
  route(
    'get',
    '/refunds',
    { ...page, charge: text.optional(), payment_intent: text.optional() },
    ({ account, input }) =>
      listPage(
        account.objects,
        'refund',
        '/v1/refunds',
        input,
        ({ charge, payment_intent: intent }) =>
          charge === (input.charge ?? charge) && intent === (input.payment_intent ?? intent),
      ),
  ),
  route('get', '/refunds/:id', {}, ({ account, id }) => account.objects.get('refund', id)),
  route('get', '/disputes', page, ({ account, input }) =>
    listPage(account.objects, 'dispute', '/v1/disputes', input),
  ),
  route('get', '/disputes/:id', {}, ({ account, id }) => account.objects.get('dispute', id)),
]
