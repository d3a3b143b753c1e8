import { fromPrisma, type Job, type PgBoss } from 'pg-boss'
import { inTransaction, nudge } from '../context.ts'
import { ServiceError } from '../errors.ts'
import type { Notifications } from '../lib/notifications.ts'
import { plan } from '../plan.ts'
import { applyStripeEvent } from '../services/subscription/apply-event.ts'
import { type BillingCtx, type BillingJobs, billingJobSchema } from '../services/subscription/ctx.ts'
import { sweepAccess } from '../services/subscription/sweep-access.ts'
import { syncCustomer } from '../services/subscription/sync-customer.ts'
import { type QueueRunner, runQueue } from './run-queue.ts'

/*
 * Billing's work: an event of Stripe to be applied, or a person to be compared with Stripe, one a job; and two schedules.
 * A job that fails for good is a dead letter, and the next comparison mends what it left.
 */
const billingQueue = 'billing'
const deadBillingQueue = 'billing-dead'
const accessQueue = 'billing-access'
const compareQueue = 'billing-compare'
const retryLimit = 30
const batchSize = 500

export async function createBillingQueues(boss: PgBoss): Promise<void> {
  await boss.createQueue(deadBillingQueue, { retentionSeconds: plan.leftoverDays * 86_400 })
  await boss.createQueue(billingQueue, {
    retryLimit,
    retryDelay: 1,
    retryBackoff: true,
    retryDelayMax: 600,
    expireInSeconds: 300,
    heartbeatSeconds: 10,
    deadLetter: deadBillingQueue,
  })
  await boss.createQueue(accessQueue)
  await boss.createQueue(compareQueue)
}

export const createBillingJobs = (boss: PgBoss): BillingJobs => ({
  async enqueue(tx, jobs) {
    await boss.insert(
      billingQueue,
      jobs.map((data) => ({ data })),
      { db: fromPrisma(tx) },
    )
    nudge(tx, 'billing', '')
  },
})

/** Compares everybody who ever was at checkout with Stripe, soon: what a lost event left behind is mended. */
export async function compareEverybody({ ctx }: { ctx: BillingCtx }): Promise<number> {
  let after = '00000000-0000-0000-0000-000000000000'
  for (let compared = 0; ; ) {
    const where = { userId: { gt: after } }
    const some = await ctx.db.billingAccount.findMany({ where, orderBy: { userId: 'asc' }, take: batchSize })
    if (some.length === 0) return compared
    const jobs = some.map(({ userId }) => ({ userId }))
    await inTransaction(ctx, (tx) => ctx.billingJobs.enqueue(tx, jobs))
    after = some.at(-1)?.userId ?? after
    compared += some.length
  }
}

export interface BillingDeps {
  ctx: BillingCtx
  boss: PgBoss
  notifications: Notifications
}

/** Works until it is stopped. Few at once: each holds a call to Stripe, which allows a hundred a second. */
export async function workBilling({ ctx, boss, notifications }: BillingDeps): Promise<QueueRunner> {
  const runner = runQueue({
    boss,
    queue: billingQueue,
    run: (job) => attempt(ctx, boss, job),
    log: ctx.log,
    concurrency: 4,
    pollMs: 2_000,
    heartbeatMs: 3_000,
  })
  const off = notifications.on('billing', runner.wake)
  await boss.work(accessQueue, () => sweepAccess({ ctx }))
  await boss.work(compareQueue, () => compareEverybody({ ctx }))
  await boss.schedule(accessQueue, '*/5 * * * *')
  await boss.schedule(compareQueue, '17 3 * * *')
  return {
    wake: runner.wake,
    stop(deadlineMs) {
      off()
      return runner.stop(deadlineMs)
    },
  }
}

async function attempt(ctx: BillingCtx, boss: PgBoss, job: Job<unknown>): Promise<void> {
  try {
    const input = billingJobSchema.parse(job.data)
    if ('eventId' in input) await applyStripeEvent({ ctx, input })
    else await syncCustomer({ ctx, input })
    await boss.complete(billingQueue, job)
  } catch (error) {
    const code = error instanceof ServiceError ? error.code : 'billing_error'
    const err = error instanceof ServiceError ? error.cause : error
    ctx.log.warn({ jobId: job.id, code, err, attempt: job.retryCount + 1 }, 'a billing job failed')
    await boss.fail(billingQueue, job, { code })
  }
}
