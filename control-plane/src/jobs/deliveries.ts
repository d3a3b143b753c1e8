import type { Database } from '@yourclaw/db'
import { traceIdOf } from '@yourclaw/telemetry'
import { fromPrisma, type JobResult, type JobWithMetadata, type PgBoss } from 'pg-boss'
import type { Logger } from 'pino'
import { z } from 'zod'
import { type ChannelSenders, payloadSchema, SendError } from '../channels/sender.ts'
import type { Clock } from '../context.ts'
import type { Origin, WatchDelivery } from '../observability/deliveries.ts'
import type { Outbox, Recipient } from '../services/conversation/ctx.ts'

/**
 * What goes out. One job a message, so that its parts stay in order; one line a recipient, so that messages do.
 * A job that waits for its retry holds back the recipient's next ones. When it gives up, its data moves to the
 * dead letter queue in the transaction that marks its parts DEAD, and it completes: pg-boss keeps a line
 * closed behind a job that failed for good.
 */
export const deliveryQueue = 'deliveries'
export const deadDeliveryQueue = 'deliveries-dead'

const channelSchema = z.enum(['TELEGRAM', 'WHATSAPP', 'WEB'])
const jobSchema = z.union([
  z.object({ channel: channelSchema, address: z.string(), messageId: z.uuid() }),
  z.object({ channel: channelSchema, address: z.string(), payload: payloadSchema }),
])
type DeliveryJob = z.infer<typeof jobSchema>

const retryLimit = 8

export async function createDeliveryQueues(boss: PgBoss): Promise<void> {
  await boss.createQueue(deadDeliveryQueue, { retentionSeconds: 90 * 86_400 })
  await boss.createQueue(deliveryQueue, {
    policy: 'key_strict_fifo',
    retryLimit,
    retryDelay: 2,
    retryBackoff: true,
    retryDelayMax: 600,
    expireInSeconds: 300,
    deadLetter: deadDeliveryQueue,
    notify: true,
  })
}

/** Enqueues within the caller's transaction: what is stored is delivered, what is rolled back is not. */
export function createOutbox(boss: PgBoss): Outbox {
  const enqueue = async (tx: Parameters<Outbox['enqueueText']>[0], to: Recipient, rest: object) => {
    const data = { channel: to.channel, address: to.address, ...rest }
    const singletonKey = `${to.channel}:${to.address}`
    await boss.send(deliveryQueue, data, { db: fromPrisma(tx), singletonKey })
  }
  return {
    enqueueMessage: (tx, to, messageId) => enqueue(tx, to, { messageId }),
    enqueueText: (tx, to, payload) => enqueue(tx, to, { payload }),
  }
}

export interface DeliveryDeps {
  boss: PgBoss
  db: Database
  senders: ChannelSenders
  log: Logger
  clock: Clock
  /** Counts, times and traces each try. */
  watch: WatchDelivery
  /** Recipients served at once; 20 when absent. */
  batchSize?: number
}

export async function workDeliveries(deps: DeliveryDeps): Promise<void> {
  const batchSize = deps.batchSize ?? 20
  const options = {
    batchSize,
    perJobResults: true,
    includeMetadata: true,
    pollingIntervalSeconds: 0.5,
  } as const
  await deps.boss.work<unknown, void, typeof options>(deliveryQueue, options, (jobs) =>
    Promise.all(jobs.map((job) => settle(deps, job))),
  )
}

async function settle(deps: DeliveryDeps, job: JobWithMetadata<unknown>): Promise<JobResult> {
  const data = jobSchema.parse(job.data)
  const origin = await originOf(deps.db, data)
  const watch = deps.watch(origin)
  try {
    await deliver(deps, data, origin)
    watch.sent()
    return { id: job.id, status: 'completed' }
  } catch (error) {
    const failure = error instanceof SendError ? error : new SendError('delivery_error', { cause: error })
    deps.log.warn(
      { jobId: job.id, code: failure.code, err: failure.cause, attempt: job.retryCount + 1 },
      'delivery failed',
    )
    if (failure.permanent || job.retryCount >= retryLimit) {
      const buried = await bury(deps, job, data, failure)
      watch.dead(failure.code)
      return buried
    }
    watch.retried(failure.code)
    if (failure.retryAfterMs !== undefined) await retryAfter(deps, job, failure.retryAfterMs)
    return { id: job.id, status: 'failed', output: { code: failure.code } }
  }
}

async function originOf(db: Database, job: DeliveryJob): Promise<Origin> {
  const { channel } = job
  if ('payload' in job) return { channel, traceParent: null, answeredAt: null, receivedAt: null }
  const [found] = await db.$queryRaw<Omit<Origin, 'channel'>[]>`
    SELECT m.trace_parent AS "traceParent", m.created_at AS "answeredAt", t.created_at AS "receivedAt"
    FROM messages m LEFT JOIN turns t ON t.id = m.turn_id WHERE m.id = ${job.messageId}::uuid`
  return { channel, traceParent: null, answeredAt: null, receivedAt: null, ...found }
}

async function deliver(deps: DeliveryDeps, job: DeliveryJob, origin: Origin): Promise<void> {
  const sender = deps.senders[job.channel]
  if (!sender) throw new SendError('channel_disabled')
  if ('payload' in job) {
    await sender.send(job.address, job.payload)
    return
  }
  const { messageId } = job
  const parts = await deps.db.delivery.findMany({
    where: { messageId, state: { in: ['PENDING', 'DEAD'] } },
    orderBy: { part: 'asc' },
  })
  for (const { id, payload } of parts) {
    try {
      const { providerMessageId } = await sender.send(job.address, payloadSchema.parse(payload))
      const sentAt = new Date(deps.clock.now())
      const attempts = { increment: 1 }
      await deps.db.delivery.update({
        where: { id },
        data: { state: 'SENT', providerMessageId, sentAt, attempts },
      })
    } catch (error) {
      const lastErrorCode = error instanceof SendError ? error.code : 'delivery_error'
      await deps.db.delivery.update({ where: { id }, data: { attempts: { increment: 1 }, lastErrorCode } })
      throw error
    }
  }
  deps.log.info({ messageId, parts: parts.length, traceId: traceIdOf(origin.traceParent) }, 'message sent')
  // FAILED too: a dead letter that an operator sent again.
  await deps.db.message.updateMany({
    where: { id: messageId, state: { in: ['PENDING', 'FAILED'] } },
    data: { state: 'SENT' },
  })
}

async function bury(
  deps: DeliveryDeps,
  job: JobWithMetadata<unknown>,
  data: DeliveryJob,
  failure: SendError,
) {
  await deps.db.$transaction(async (tx) => {
    if ('messageId' in data) {
      const { messageId } = data
      await tx.delivery.updateMany({ where: { messageId, state: 'PENDING' }, data: { state: 'DEAD' } })
      await tx.message.updateMany({ where: { id: messageId, state: 'PENDING' }, data: { state: 'FAILED' } })
    }
    await deps.boss.send(deadDeliveryQueue, data, { db: fromPrisma(tx) })
  })
  return { id: job.id, status: 'completed', output: { code: failure.code, dead: true } } as const
}

/** The provider's own wait replaces the backoff. The batch's later settlement of this attempt then touches no row. */
async function retryAfter(deps: DeliveryDeps, job: JobWithMetadata<unknown>, waitMs: number): Promise<void> {
  await deps.db.$transaction(async (tx) => {
    const db = fromPrisma(tx)
    await deps.boss.fail(deliveryQueue, job.id, { code: 'rate_limited' }, { db })
    await deps.boss.update(deliveryQueue, undefined, { id: job.id, startAfter: Math.ceil(waitMs / 1000), db })
  })
}
