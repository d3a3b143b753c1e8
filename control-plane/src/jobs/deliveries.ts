import type { Delivery } from '@yourclaw/db'
import { fromPrisma, type JobResult, type JobWithMetadata, type PgBoss } from 'pg-boss'
import { z } from 'zod'
import {
  type ChannelSender,
  type ChannelSenders,
  type Payload,
  payloadSchema,
  SendError,
} from '../channels/sender.ts'
import { traceIdOf } from '../lib/trace.ts'
import type { ConversationCtx, Outbox, Recipient } from '../services/conversation/ctx.ts'
import { planDelivery } from '../services/delivery/plan-delivery.ts'
import { recordFate } from '../services/delivery/record-fate.ts'

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
  const enqueue = async (
    tx: Parameters<Outbox['enqueueText']>[0],
    to: Recipient,
    rest: object,
    delayMs = 0,
  ) => {
    const data = { channel: to.channel, address: to.address, ...rest }
    const singletonKey = `${to.channel}:${to.address}`
    const startAfter = delayMs > 0 ? { startAfter: Math.ceil(delayMs / 1000) } : {}
    // Jobs of one transaction have one time of creation and are told apart by id: PostgreSQL's own ids ascend.
    const [row] = await tx.$queryRaw<{ id: string }[]>`SELECT uuidv7()::text AS id`
    await boss.send(deliveryQueue, data, { ...row, db: fromPrisma(tx), singletonKey, ...startAfter })
  }
  return {
    enqueueMessage: (tx, to, messageId, delayMs) => enqueue(tx, to, { messageId }, delayMs),
    enqueueText: (tx, to, payload) => enqueue(tx, to, { payload }),
    bury: async (tx, { channel, address }, messageId) => {
      await boss.send(deadDeliveryQueue, { channel, address, messageId }, { db: fromPrisma(tx) })
    },
  }
}

export interface DeliveryDeps {
  boss: PgBoss
  ctx: ConversationCtx
  senders: ChannelSenders
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
    // New jobs wake us; retries that fall due do not, and must not wait for the usual 30 seconds.
    notifyPollingIntervalSeconds: 1,
  } as const
  await deps.boss.work<unknown, void, typeof options>(deliveryQueue, options, (jobs) =>
    Promise.all(jobs.map((job) => settle(deps, job))),
  )
}

async function settle(deps: DeliveryDeps, job: JobWithMetadata<unknown>): Promise<JobResult> {
  const data = jobSchema.parse(job.data)
  try {
    await deliver(deps, data)
    return { id: job.id, status: 'completed' }
  } catch (error) {
    const failure = error instanceof SendError ? error : new SendError('delivery_error', { cause: error })
    deps.ctx.log.warn(
      { jobId: job.id, code: failure.code, err: failure.cause, attempt: job.retryCount + 1 },
      'delivery failed',
    )
    if (failure.kind === 'permanent' || job.retryCount >= retryLimit) return bury(deps, job, data, failure)
    if (failure.retryAfterMs !== undefined) await retryAfter(deps, job, failure.retryAfterMs)
    return { id: job.id, status: 'failed', output: { code: failure.code } }
  }
}

async function deliver(deps: DeliveryDeps, job: DeliveryJob): Promise<void> {
  const sender = deps.senders[job.channel]
  if (!sender) throw new SendError('channel_disabled')
  if ('payload' in job) return sendBare(sender, job.address, job.payload)
  const { ctx } = deps
  const { messageId } = job
  const plan = await planDelivery({ ctx, input: { to: job, messageId } })
  if (plan.action !== 'send') {
    ctx.log.info({ messageId, action: plan.action }, 'message not sent')
    return
  }
  const parts = await ctx.db.delivery.findMany({
    where: { messageId, state: { in: ['PENDING', 'DEAD'] } },
    orderBy: { part: 'asc' },
  })
  for (const part of parts) {
    const payload = payloadSchema.parse(part.payload)
    const due = plan.template === undefined ? payload : { ...payload, template: plan.template }
    const send = sender.tellsFate ? sendFollowed : sendOnce
    // What was given back waits for its own job, and so do the parts behind it.
    if ((await send(deps, sender, part, due)) === 'given_back') return
  }
  const { traceParent } = await ctx.db.message.findUniqueOrThrow({
    where: { id: messageId },
    select: { traceParent: true },
  })
  ctx.log.info({ messageId, parts: parts.length, traceId: traceIdOf(traceParent) }, 'message sent')
  // FAILED too: a dead letter that an operator sent again.
  await ctx.db.message.updateMany({
    where: {
      id: messageId,
      state: { in: ['PENDING', 'FAILED'] },
      deliveries: { none: { state: { in: ['PENDING', 'DEAD'] } } },
    },
    data: { state: 'SENT' },
  })
}

/** What belongs to no message of ours: not worth another attempt, or an operator's look, once it may not be sent. */
async function sendBare(sender: ChannelSender, address: string, payload: Payload): Promise<void> {
  try {
    await sender.send(address, payload)
  } catch (error) {
    const mayNot =
      error instanceof SendError && (error.kind === 'opted_out' || error.kind === 'window_closed')
    if (!mayNot) throw error
  }
}

/** For a provider whose acceptance is all that we ever hear. */
async function sendOnce(deps: DeliveryDeps, sender: ChannelSender, part: Delivery, payload: Payload) {
  const { db, clock } = deps.ctx
  const where = { id: part.id }
  const attempts = { increment: 1 }
  try {
    const { providerMessageId } = await sender.send(part.address, payload)
    const sentAt = new Date(clock.now())
    await db.delivery.update({ where, data: { state: 'SENT', providerMessageId, sentAt, attempts } })
    return 'sent'
  } catch (error) {
    const lastErrorCode = error instanceof SendError ? error.code : 'delivery_error'
    await db.delivery.update({ where, data: { attempts, lastErrorCode } })
    throw error
  }
}

/**
 * For a provider that tells later what became of a part. The attempt is counted first and named to the provider, so
 * that its word is understood even when it comes before our own commit, or when we died in between.
 */
async function sendFollowed(deps: DeliveryDeps, sender: ChannelSender, part: Delivery, payload: Payload) {
  const { ctx } = deps
  const where = { id: part.id }
  const { attempts: attempt } = await ctx.db.delivery.update({
    where,
    data: {
      state: 'PENDING',
      attempts: { increment: 1 },
      providerMessageId: null,
      sentAt: new Date(ctx.clock.now()),
    },
  })
  try {
    const { providerMessageId } = await sender.send(part.address, payload, { deliveryId: part.id, attempt })
    await recordFate({
      ctx,
      input: { deliveryId: part.id, attempt, providerMessageId, fate: { state: 'SENT' } },
    })
    return 'sent'
  } catch (error) {
    if (!(error instanceof SendError)) throw error
    const { code, kind } = error
    if (kind === 'opted_out' || kind === 'window_closed') {
      const fate = { state: 'FAILED', failure: { code, kind } } as const
      await recordFate({ ctx, input: { deliveryId: part.id, attempt, providerMessageId: null, fate } })
      return 'given_back'
    }
    await ctx.db.delivery.update({ where, data: { lastErrorCode: code } })
    throw error
  }
}

async function bury(
  deps: DeliveryDeps,
  job: JobWithMetadata<unknown>,
  data: DeliveryJob,
  failure: SendError,
) {
  await deps.ctx.db.$transaction(async (tx) => {
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
  await deps.ctx.db.$transaction(async (tx) => {
    const db = fromPrisma(tx)
    await deps.boss.fail(deliveryQueue, job.id, { code: 'rate_limited' }, { db })
    await deps.boss.update(deliveryQueue, undefined, { id: job.id, startAfter: Math.ceil(waitMs / 1000), db })
  })
}
