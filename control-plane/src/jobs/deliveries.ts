import { randomUUID } from 'node:crypto'
import type { Transaction } from '@yourclaw/db'
import { fromPrisma, type Job, type PgBoss } from 'pg-boss'
import { SendError } from '../channels/sender.ts'
import { nudge } from '../context.ts'
import { asked } from '../lib/asked.ts'
import { createBatcher } from '../lib/batcher.ts'
import type { Notifications } from '../lib/notifications.ts'
import { createPace } from '../lib/pace.ts'
import type { DeliveryWatch, WatchDelivery } from '../observability/deliveries.ts'
import { plan } from '../plan.ts'
import type { Outbox, Recipient } from '../services/conversation/ctx.ts'
import {
  type DeliverDeps,
  type Delivering,
  type DeliveryJob,
  deliver,
  deliveryJobSchema,
  pacedCode,
} from './deliver.ts'
import { type Due, dueOf, loadDue } from './load-due.ts'
import { type QueueRunner, runQueue, type TakingRunner } from './run-queue.ts'
import { type SentPart, settleSent } from './settle-sent.ts'
import { hasWaitedTooLong, triesOf, waitLonger } from './wait-longer.ts'

/*
 * What goes out. One job a message, so that its parts stay in order; one line a recipient, so that messages do: a
 * job that waits for its retry holds back the recipient's next ones. A job is
 *   completed  every part was accepted, or it was buried: its parts DEAD, its data in the dead letter queue; or the
 *              channel's rules held it back, and it has another job when they let it go
 *   retry      it waits: the backoff, or, without counting as a try, as long as the provider asked
 *   failed     its last attempt died with its process; pg-boss closes the line behind it until `reopenLines`
 */
export const deliveryQueue = 'deliveries'
export const deadDeliveryQueue = 'deliveries-dead'

/** With the backoff of at most ten minutes a provider may be away for about nine hours before a message is lost. */
const retryLimit = 60

export async function createDeliveryQueues(boss: PgBoss): Promise<void> {
  await boss.createQueue(deadDeliveryQueue, { retentionSeconds: plan.leftoverDays * 86_400 })
  await boss.createQueue(deliveryQueue, {
    policy: 'key_strict_fifo',
    retryLimit,
    retryDelay: 2,
    retryBackoff: true,
    retryDelayMax: 600,
    expireInSeconds: 900,
    heartbeatSeconds: 10,
    deadLetter: deadDeliveryQueue,
  })
}

/** A line goes by this time, and pg-boss' own is the transaction's, which may have begun long before it got its lock. */
const stamp = 'UPDATE pgboss.job SET created_on = clock_timestamp() WHERE name = $1 AND id = ANY($2::uuid[])'

export interface DeliveryOutbox extends Outbox {
  /** Who of this process sends: what is enqueued for many goes to it at once, without another commit. */
  feed(runner: TakingRunner): void
  /** What a job has to send that went to it so; every other job, and its retry, has to look. */
  handedOver(job: object): Due | undefined
}

/** Enqueues within the caller's transaction: what is stored is delivered, what is rolled back is not. */
export function createOutbox(boss: PgBoss): DeliveryOutbox {
  let runner: TakingRunner | undefined
  const handed = new WeakMap<object, Due>()
  const enqueue = async (tx: Transaction, to: Recipient, rest: object, delayMs = 0) => {
    const data = { channel: to.channel, address: to.address, ...rest }
    const singletonKey = `${to.channel}:${to.address}`
    const startAfter = delayMs > 0 ? { startAfter: Math.ceil(delayMs / 1000) } : {}
    const id = await boss.send(deliveryQueue, data, { db: fromPrisma(tx), singletonKey, ...startAfter })
    await tx.$executeRawUnsafe(stamp, deliveryQueue, [id])
    nudge(tx, 'deliveries', '')
  }
  return {
    enqueueMessage: (tx, to, messageId, delayMs) => enqueue(tx, to, { messageId }, delayMs),
    async enqueueMessages(tx, messages) {
      const jobs = messages.map(({ to: { channel, address }, messageId }) => ({
        id: randomUUID(),
        data: { channel, address, messageId },
        singletonKey: `${channel}:${address}`,
      }))
      await asked(tx, (db) => boss.insert(deliveryQueue, jobs, { db }))
      // It travels with the others.
      const ids = jobs.map(({ id }) => id)
      await asked(tx, (db) => db.executeSql(stamp, [deliveryQueue, ids]))
      const to = runner
      const taking = to && (await asked(tx, (db) => to.take(db, jobs.length)))
      if (!taking) return undefined
      return async (stored) => {
        const taken = await taking.answer
        const dues = new Map(stored.map((message) => [message.messageId, dueOf(message)]))
        for (const job of taken.jobs) {
          const { data } = deliveryJobSchema.safeParse(job.data)
          const due = data && 'messageId' in data ? dues.get(data.messageId) : undefined
          if (due) handed.set(job, due)
        }
        taken.start()
      }
    },
    handedOver: (job) => handed.get(job),
    feed(to) {
      runner = to
    },
    enqueueText: (tx, to, payload) => enqueue(tx, to, { payload }),
    enqueueClose: (tx, to, closes) => enqueue(tx, to, { closes }),
    bury: async (tx, { channel, address }, messageId) => {
      await boss.send(deadDeliveryQueue, { channel, address, messageId }, { db: fromPrisma(tx) })
    },
  }
}

export interface DeliveryDeps extends DeliverDeps {
  boss: PgBoss
  outbox: DeliveryOutbox
  notifications: Notifications
  /** Counts, times and traces each try. */
  watch: WatchDelivery
}

/** Of a WhatsApp sender, which takes 80 (Twilio's default); leaves room for a second replica's share at its peak. */
const sendsPerSecond = 40
/** Messages at once. */
const concurrency = 50

/** Sends what is enqueued until it is stopped. */
export function workDeliveries(deps: DeliveryDeps): QueueRunner {
  const pace = createPace(deps.ctx.clock, { perSecond: sendsPerSecond, burst: sendsPerSecond })
  const delivering = { ...deps, ...shareStatements(deps), pace }
  const runner = runQueue({
    boss: deps.boss,
    db: deps.ctx.pool,
    queue: deliveryQueue,
    run: (job) => attempt(delivering, job),
    log: deps.ctx.log,
    concurrency,
    pollMs: 500,
    heartbeatMs: 3_000,
  })
  const off = deps.notifications.on('deliveries', runner.wake)
  deps.outbox.feed(runner)
  return {
    ...runner,
    stop(deadlineMs) {
      off()
      return runner.stop(deadlineMs)
    },
  }
}

/** Buries what failed without us, so that the recipient's next messages go out. Resolves with how many lines it was. */
export async function reopenLines({ boss, ctx }: DeliveryDeps): Promise<number> {
  const { db, log } = ctx
  const keys = await boss.getBlockedKeys(deliveryQueue)
  for (const key of keys) {
    const jobs = await boss.findJobs(deliveryQueue, { key })
    for (const job of jobs.filter(({ state }) => state === 'failed')) {
      log.error({ jobId: job.id }, 'a delivery failed for good')
      // pg-boss has put its data into the dead letter queue by itself.
      await db.$transaction(async (tx) => {
        await markDead(tx, deliveryJobSchema.safeParse(job.data).data)
        await boss.deleteJob(deliveryQueue, job.id, { db: fromPrisma(tx) })
      })
    }
  }
  return keys.length
}

/** What happens to every message, for those that go at the same time in one statement or transaction. */
function shareStatements({ ctx, boss, outbox }: DeliveryDeps): Pick<Delivering, 'load' | 'settle'> {
  const failed = (err: unknown, count: number) =>
    ctx.log.warn({ err, count }, 'a batch of deliveries failed: each of it goes alone')
  const look = createBatcher<string, Due>({
    together: (messageIds) => loadDue({ ctx, messageIds }),
    async alone(messageId) {
      const [due] = await loadDue({ ctx, messageIds: [messageId] })
      return due as Due
    },
    failed,
    keyOf: (messageId) => messageId,
    maxItems: concurrency,
  })
  return {
    load: async (messageId, job) => outbox.handedOver(job) ?? look(messageId),
    settle: createBatcher<SentPart, boolean>({
      async together(parts) {
        await settleSent({ ctx, boss, queue: deliveryQueue, parts })
        return parts.map(() => true)
      },
      alone: async () => false,
      failed,
      keyOf: ({ deliveryId }) => deliveryId,
      maxItems: concurrency,
    }),
  }
}

async function attempt(deps: DeliveryDeps & Delivering, job: Job<unknown>): Promise<void> {
  const { boss, ctx } = deps
  const { data } = deliveryJobSchema.safeParse(job.data)
  let watch: DeliveryWatch | undefined
  try {
    if (data === undefined) throw new SendError('delivery_unreadable')
    const { channel } = data
    const { outcome, settled } = await deliver(deps, data, job, (origin) => {
      watch = deps.watch({ channel, ...origin })
    })
    if (!settled) await boss.complete(deliveryQueue, job)
    if (outcome === 'sent') watch?.sent()
    else watch?.withheld(outcome)
  } catch (error) {
    const failure = error instanceof SendError ? error : new SendError('delivery_error', { cause: error })
    const { code } = failure
    ctx.log[code === pacedCode ? 'debug' : 'warn'](
      { jobId: job.id, code, err: failure.cause, attempt: job.retryCount + 1 },
      'delivery failed',
    )
    const { retryAfterMs, isGuess } = failure
    const isOver =
      triesOf(job, data?.waited) >= retryLimit ||
      (retryAfterMs !== undefined && hasWaitedTooLong(data?.waited, ctx.clock.now()))
    if (failure.kind === 'permanent' || isOver) {
      await bury(deps, job, data, code)
      watch?.dead(code)
      return
    }
    watch?.retried(code)
    if (retryAfterMs !== undefined) {
      const input = { data, wait: { retryAfterMs, isGuess }, retryLimit }
      await waitLonger({ ctx, boss, queue: deliveryQueue }, job, input)
    } else await boss.fail(deliveryQueue, job, { code })
  }
}

async function bury(
  { ctx, boss }: DeliveryDeps,
  job: Job<unknown>,
  data: DeliveryJob | undefined,
  code: string,
) {
  await ctx.db.$transaction(async (tx) => {
    const within = { db: fromPrisma(tx) }
    await markDead(tx, data)
    // Sent again by an operator, it begins anew.
    await boss.send(deadDeliveryQueue, { ...(job.data as object), waited: undefined }, within)
    await boss.complete(deliveryQueue, job, { code, dead: true }, within)
  })
}

async function markDead(tx: Transaction, data: DeliveryJob | undefined): Promise<void> {
  if (data === undefined || !('messageId' in data)) return
  const { messageId } = data
  await tx.delivery.updateMany({ where: { messageId, state: 'PENDING' }, data: { state: 'DEAD' } })
  await tx.message.updateMany({ where: { id: messageId, state: 'PENDING' }, data: { state: 'FAILED' } })
}
