import type { Subscription, Transaction } from '@yourclaw/db'
import { nudge } from '../../context.ts'
import type { BillingCtx } from './ctx.ts'
import type { SubscriptionFacts } from './read-customer.ts'
import { tellChange } from './tell-change.ts'

/**
 * Makes a person's rows what Stripe says. Of several live subscriptions the one that is stored stays, else the oldest;
 * the others are answered as `surplus` and not stored while they live. Only under the billing account's row lock.
 */
export async function applySubscriptions(
  tx: Transaction,
  ctx: BillingCtx,
  userId: string,
  facts: SubscriptionFacts[],
): Promise<{ surplus: string[] }> {
  const rows = await tx.subscription.findMany({ where: { userId } })
  const rowOf = new Map(rows.map((row) => [row.stripeSubscriptionId, row]))
  const live = facts.filter(({ status }) => status !== 'CANCELED')
  const isStoredLive = ({ stripeSubscriptionId: id }: SubscriptionFacts) =>
    (rowOf.get(id)?.status ?? 'CANCELED') !== 'CANCELED'
  const kept = live.find(isStoredLive) ?? live[0]
  const ended = facts.filter(({ status }) => status === 'CANCELED')

  // What ended first: only one row of a person may be live.
  for (const each of ended) await store(tx, userId, rowOf.get(each.stripeSubscriptionId), each)
  await endOthers(tx, ctx, rows, { facts, kept })
  if (kept) await store(tx, userId, rowOf.get(kept.stripeSubscriptionId), kept)
  for (const each of kept ? [...ended, kept] : ended) {
    await tellChange(tx, ctx, userId, rowOf.get(each.stripeSubscriptionId), each)
  }
  nudge(tx, 'assistant', userId)
  const surplus = live.filter((each) => each !== kept)
  return { surplus: surplus.map(({ stripeSubscriptionId }) => stripeSubscriptionId) }
}

async function store(
  tx: Transaction,
  userId: string,
  row: Subscription | undefined,
  facts: SubscriptionFacts,
): Promise<void> {
  const { unpaid: _, amountCents: __, canceledAt: ___, ...data } = facts
  if (row) await tx.subscription.update({ where: { id: row.id }, data })
  else await tx.subscription.create({ data: { userId, ...data } })
}

/** Live rows that Stripe does not have: forgotten with their customer, or given by us, which a paid one replaces. */
async function endOthers(
  tx: Transaction,
  ctx: BillingCtx,
  rows: Subscription[],
  { facts, kept }: { facts: SubscriptionFacts[]; kept: SubscriptionFacts | undefined },
): Promise<void> {
  const known = new Set(facts.map(({ stripeSubscriptionId }) => stripeSubscriptionId))
  const gone = rows.filter(({ status, stripeSubscriptionId: id }) => {
    if (status === 'CANCELED') return false
    return id === null ? kept !== undefined : !known.has(id)
  })
  await tx.subscription.updateMany({
    where: { id: { in: gone.map(({ id }) => id) } },
    data: { status: 'CANCELED', endedAt: new Date(ctx.clock.now()), graceEnd: null },
  })
}
