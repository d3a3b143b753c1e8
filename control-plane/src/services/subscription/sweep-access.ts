import { inTransaction } from '../../context.ts'
import { dayMs, plan } from '../../plan.ts'
import { enqueueMail } from '../mail/enqueue-mail.ts'
import type { BillingCtx } from './ctx.ts'
import { settleAccess } from './settle-access.ts'
import { syncCustomer } from './sync-customer.ts'

const batchSize = 500

/**
 * What time alone changes: graces and retentions that end, assistants that a subscription still owes, trials that end
 * within a day. Any number of replicas may do it at once. Forgets events that are long applied.
 */
export async function sweepAccess({ ctx }: { ctx: BillingCtx }): Promise<void> {
  for (const userId of await findUnsettled(ctx)) {
    // One who fails is looked at again in the next sweep, and keeps nobody else waiting (F8).
    await settle(ctx, userId).catch((err: unknown) =>
      ctx.log.error({ err }, 'a person’s access could not be settled'),
    )
  }
  await tellTrialsEnding(ctx)
  const before = new Date(ctx.clock.now() - plan.leftoverDays * dayMs)
  await ctx.db.stripeEvent.deleteMany({ where: { processedAt: { lt: before } } })
}

/** Nobody is suspended or deleted on our word alone: who is a customer is looked up at Stripe once more. */
async function settle(ctx: BillingCtx, userId: string): Promise<void> {
  const read = await syncCustomer({ ctx, input: { userId } })
  if (read === null) await settleAccess({ ctx, input: { userId } })
}

/** Everybody whose assistant does not agree with what is paid; settleAccess decides. */
async function findUnsettled({ db, clock }: BillingCtx): Promise<string[]> {
  const now = new Date(clock.now())
  const noticeFrom = new Date(clock.now() + plan.deletionNoticeDays * dayMs)
  const rows = await db.$queryRaw<{ userId: string }[]>`
    SELECT a.user_id AS "userId" FROM assistants a LEFT JOIN lapses l ON l.user_id = a.user_id
    CROSS JOIN LATERAL (
      SELECT count(*) > 0 AS entitled, bool_or(s.provisioned_at IS NULL AND s.stripe_subscription_id IS NOT NULL) AS owed
      FROM subscriptions s WHERE s.user_id = a.user_id
        AND (s.status = 'ACTIVE' OR (s.status = 'PAST_DUE' AND s.grace_end > ${now}))
    ) paid
    WHERE CASE
      WHEN paid.entitled THEN paid.owed OR l.user_id IS NOT NULL OR 'unpaid' = ANY (a.suspended_reasons)
      WHEN a.desired = 'ABSENT' THEN l.user_id IS NOT NULL
      ELSE l.user_id IS NULL OR l.delete_after <= ${now}
        OR (l.announced_at IS NULL AND l.delete_after <= ${noticeFrom})
    END
    ORDER BY l.delete_after NULLS FIRST LIMIT ${batchSize}`
  return rows.map(({ userId }) => userId)
}

async function tellTrialsEnding(ctx: BillingCtx): Promise<void> {
  const now = ctx.clock.now()
  const ending = await ctx.db.subscription.findMany({
    where: {
      status: 'ACTIVE',
      cancelAt: null,
      trialEnd: { gt: new Date(now), lte: new Date(now + dayMs) },
    },
    include: { user: true },
  })
  for (const { id, trialEnd, user } of ending) {
    const at = trialEnd?.toISOString() ?? ''
    const props = { name: user.name, timeZone: user.timeZone, trialEnd: at }
    const key = `trial-ending:${id}:${at}`
    await inTransaction(ctx, (tx) =>
      enqueueMail({ tx, to: user.email, template: 'trial-ending', props, key }),
    )
  }
}
