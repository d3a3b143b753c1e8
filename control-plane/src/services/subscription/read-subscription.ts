import type { Subscription } from '@yourclaw/db'
import type Stripe from 'stripe'
import { ServiceError } from '../../errors.ts'
import { askStripe, isMissing } from '../../lib/stripe.ts'
import { plan } from '../../plan.ts'
import type { BillingCtx } from './ctx.ts'
import { isFirstTime } from './ensure-customer.ts'
import type { SubscriptionFacts } from './read-customer.ts'
import { syncCustomer } from './sync-customer.ts'

const shownInvoices = 24

export interface SubscriptionView {
  status: 'NONE' | 'ACTIVE' | 'PAST_DUE' | 'CANCELED'
  /** In its trial now. */
  isTrial: boolean
  trialEnd?: string
  currentPeriodEnd?: string
  cancelAtPeriodEnd: boolean
  cancelAt?: string
  endedAt?: string
  /** PAST_DUE: the assistant goes on until then. */
  graceEnd?: string
  /** Nothing pays for the assistant: it is suspended, and deleted after this. */
  deleteAfter?: string
  /** Absent when there is none, or when a discount makes it another sum than the price. */
  nextCharge?: { at: string; amountCents: number; currency: string }
  /** What a checkout would begin with; absent while there is a live subscription, and when Stripe is away. */
  trialDays?: number
  invoices: InvoiceView[]
  /** Stripe did not answer: this is our copy. */
  stale: boolean
}

interface InvoiceView {
  id: string
  number?: string
  at: string
  amountCents: number
  currency: string
  /** Stripe's word: open, paid, uncollectible or void. */
  status: string
  url?: string
  pdf?: string
}

/** A person's subscription, live from Stripe and written to our copy on the way; the copy alone when Stripe is away. */
export async function readSubscription({
  ctx,
  input,
}: {
  ctx: BillingCtx
  input: { userId: string }
}): Promise<SubscriptionView> {
  const live = await readLive(ctx, input.userId)
  const where = { id: input.userId }
  const user = await ctx.db.user.findUniqueOrThrow({
    where,
    // The live one first: ACTIVE, PAST_DUE, CANCELED.
    include: { subscriptions: { orderBy: [{ status: 'asc' }, { createdAt: 'desc' }], take: 1 }, lapse: true },
  })
  const [row] = user.subscriptions
  const { invoices = [], trialDays, facts } = live ?? {}
  const hasLive = row !== undefined && row.status !== 'CANCELED'
  return {
    ...viewOf(row, ctx.clock.now(), facts),
    ...(user.lapse && { deleteAfter: user.lapse.deleteAfter.toISOString() }),
    ...(trialDays !== undefined && !hasLive && { trialDays }),
    invoices,
    stale: live === null,
  }
}

function viewOf(row: Subscription | undefined, nowMs: number, facts: SubscriptionFacts[] = []) {
  if (row === undefined) return { status: 'NONE' as const, isTrial: false, cancelAtPeriodEnd: false }
  const { status, trialEnd, currentPeriodEnd, cancelAt, endedAt, graceEnd, cancelAtPeriodEnd } = row
  const amountCents = facts.find((one) => one.stripeSubscriptionId === row.stripeSubscriptionId)?.amountCents
  const isCharged =
    status === 'ACTIVE' && cancelAt === null && currentPeriodEnd !== null && amountCents != null
  return {
    status,
    isTrial: status === 'ACTIVE' && trialEnd !== null && trialEnd.getTime() > nowMs,
    cancelAtPeriodEnd,
    ...(trialEnd && { trialEnd: trialEnd.toISOString() }),
    ...(currentPeriodEnd && { currentPeriodEnd: currentPeriodEnd.toISOString() }),
    ...(cancelAt && { cancelAt: cancelAt.toISOString() }),
    ...(endedAt && { endedAt: endedAt.toISOString() }),
    ...(graceEnd && { graceEnd: graceEnd.toISOString() }),
    ...(isCharged && {
      nextCharge: { at: currentPeriodEnd.toISOString(), amountCents, currency: plan.currency },
    }),
  }
}

/** Null when Stripe is away. */
async function readLive(ctx: BillingCtx, userId: string) {
  try {
    const read = await syncCustomer({ ctx, input: { userId } })
    const facts = read?.subscriptions ?? []
    const invoices = read ? await listInvoices(ctx.stripe, read.customerId) : []
    const hasLive = facts.some(({ status }) => status !== 'CANCELED')
    return { facts, invoices, ...(!hasLive && (await offer(ctx, userId, read?.customerId))) }
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'stripe_unavailable') return null
    throw error
  }
}

async function offer(ctx: BillingCtx, userId: string, customerId: string | undefined) {
  const { email } = await ctx.db.user.findUniqueOrThrow({ where: { id: userId } })
  return { trialDays: (await isFirstTime(ctx, { email, customerId })) ? plan.trialDays : 0 }
}

async function listInvoices(stripe: Stripe, customer: string): Promise<InvoiceView[]> {
  try {
    const { data } = await askStripe(stripe.invoices.list({ customer, limit: shownInvoices }))
    return data.flatMap(invoiceView)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Drafts are not for people yet, and a trial's invoice of nothing says nothing. */
function invoiceView(invoice: Stripe.Invoice): InvoiceView[] {
  const { id, status, number, total, currency, hosted_invoice_url: url, invoice_pdf: pdf } = invoice
  if (status === null || status === 'draft' || total === 0) return []
  const at = new Date((invoice.status_transitions.finalized_at ?? invoice.created) * 1000).toISOString()
  return [
    {
      id: id ?? '',
      at,
      amountCents: total,
      currency,
      status,
      ...(number && { number }),
      ...(url && { url }),
      ...(pdf && { pdf }),
    },
  ]
}
