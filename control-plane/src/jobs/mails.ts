import { fromPrisma, type Job, type PgBoss } from 'pg-boss'
import { z } from 'zod'
import { type Ctx, inTransaction } from '../context.ts'
import type { Notifications } from '../lib/notifications.ts'
import { MailError, type Mailer } from '../mail/mailer.ts'
import { dayMs, plan } from '../plan.ts'
import { writeMail } from '../services/mail/write-mail.ts'
import { type QueueRunner, runQueue } from './run-queue.ts'

/*
 * Mail. A verb stores it within its transaction (services/mail/enqueue-mail.ts); here it becomes a job, and the job
 * sends it. Retries carry the same idempotency key. What is given up is a dead letter, and its row keeps the mail.
 */
const mailQueue = 'mails'
export const deadMailQueue = 'mails-dead'

const mailJobSchema = z.object({ mailId: z.uuid() })
/** With the backoff of at most fifteen minutes the provider may be away for about nine hours. */
const retryLimit = 40
const batchSize = 100

export async function createMailQueues(boss: PgBoss): Promise<void> {
  await boss.createQueue(deadMailQueue, { retentionSeconds: plan.leftoverDays * 86_400 })
  await boss.createQueue(mailQueue, {
    retryLimit,
    retryDelay: 2,
    retryBackoff: true,
    retryDelayMax: 900,
    expireInSeconds: 300,
    heartbeatSeconds: 10,
    deadLetter: deadMailQueue,
  })
}

export interface MailDeps {
  ctx: Ctx
  boss: PgBoss
  mailer: Mailer
  notifications: Notifications
}

export interface MailRunner extends QueueRunner {
  /** Finds what a lost nudge left behind, and forgets what is old. */
  sweep(): Promise<void>
}

/** Sends what is enqueued until it is stopped. */
export function workMails(deps: MailDeps): MailRunner {
  const { boss, ctx } = deps
  const runner = runQueue({
    boss,
    queue: mailQueue,
    run: (job) => attempt(deps, job),
    log: ctx.log,
    concurrency: 5,
    pollMs: 2_000,
    heartbeatMs: 3_000,
  })
  const hand = () =>
    handOver(deps).then(runner.wake, (err: unknown) => ctx.log.error({ err }, 'mail could not be queued'))
  const off = deps.notifications.on('mails', () => void hand())
  return {
    wake: runner.wake,
    async sweep() {
      await hand()
      const before = new Date(ctx.clock.now() - plan.leftoverDays * dayMs)
      await ctx.db.mail.deleteMany({ where: { createdAt: { lt: before } } })
    },
    stop(deadlineMs) {
      off()
      return runner.stop(deadlineMs)
    },
  }
}

/** Makes a job of each mail that is none yet; two replicas that do it at once take different ones. */
async function handOver({ ctx, boss }: MailDeps): Promise<void> {
  for (let taken = batchSize; taken === batchSize; ) {
    taken = await inTransaction(ctx, async (tx) => {
      const waiting = await tx.$queryRaw<{ id: string }[]>`
        SELECT id FROM mails WHERE queued_at IS NULL ORDER BY created_at LIMIT ${batchSize}
        FOR UPDATE SKIP LOCKED`
      for (const { id } of waiting) await boss.send(mailQueue, { mailId: id }, { db: fromPrisma(tx) })
      const ids = waiting.map(({ id }) => id)
      await tx.mail.updateMany({ where: { id: { in: ids } }, data: { queuedAt: new Date(ctx.clock.now()) } })
      return waiting.length
    })
  }
}

async function attempt(deps: MailDeps, job: Job<unknown>): Promise<void> {
  const { boss, ctx } = deps
  try {
    await send(deps, mailJobSchema.parse(job.data).mailId)
    await boss.complete(mailQueue, job)
  } catch (error) {
    const code = error instanceof MailError ? error.code : 'mail_error'
    const isOver = error instanceof MailError && !error.retryable
    ctx.log.warn({ jobId: job.id, code }, 'a mail was not sent')
    if (!isOver) {
      // The last attempt that fails goes to the dead letters by itself.
      await boss.fail(mailQueue, job, { code })
      return
    }
    await inTransaction(ctx, async (tx) => {
      const within = { db: fromPrisma(tx) }
      await boss.send(deadMailQueue, job.data as object, within)
      await boss.complete(mailQueue, job, { code, dead: true }, within)
    })
  }
}

async function send({ ctx, mailer }: MailDeps, id: string): Promise<void> {
  const mail = await ctx.db.mail.findUnique({ where: { id } })
  if (mail === null || mail.sentAt !== null) return
  const words = writeMail(mail, ctx.settings)
  if (words === undefined) throw new MailError('unreadable', false)
  await mailer.send(mail.recipients, await words, mail.id)
  const sent = { sentAt: new Date(ctx.clock.now()), recipients: [], props: {} }
  // What was withdrawn while it was sent has no row any more.
  await ctx.db.mail.updateMany({ where: { id }, data: sent })
  ctx.log.info({ mailId: id, template: mail.template }, 'mail sent')
}
