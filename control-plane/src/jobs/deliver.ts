import { traceIdOf } from '@yourclaw/telemetry'
import { z } from 'zod'
import {
  type ChannelSender,
  type ChannelSenders,
  type Payload,
  payloadSchema,
  SendError,
} from '../channels/sender.ts'
import type { Pace } from '../lib/pace.ts'
import type { ConversationCtx, Recipient } from '../services/conversation/ctx.ts'
import { planDelivery } from '../services/delivery/plan-delivery.ts'
import { recordFate } from '../services/delivery/record-fate.ts'
import { takePace } from '../services/delivery/take-pace.ts'
import { type Due, type DuePart, nowhere } from './load-due.ts'
import type { SentPart } from './settle-sent.ts'
import { waitedSchema } from './wait-longer.ts'

const lineSchema = z.object({
  channel: z.enum(['TELEGRAM', 'WHATSAPP', 'WEB']),
  address: z.string(),
  waited: waitedSchema.optional(),
})
/** A stored message, whose parts are in the table, a text that belongs to no user, or a message to take buttons off. */
export const deliveryJobSchema = z.union([
  lineSchema.extend({ messageId: z.uuid() }),
  lineSchema.extend({ payload: payloadSchema }),
  lineSchema.extend({ closes: z.uuid() }),
])
export type DeliveryJob = z.infer<typeof deliveryJobSchema>

export interface DeliverDeps {
  ctx: ConversationCtx
  senders: ChannelSenders
}

/** It is no failure: our own part of the provider's rate is used up for the moment. */
export const pacedCode = 'paced'

export interface Delivering extends DeliverDeps {
  /** Of the sender, whoever it writes to. */
  pace: Pace
  load(messageId: string, job: Claimed): Promise<Due>
  /** False when it could not be noted together with others. */
  settle(part: SentPart): Promise<boolean>
}

interface Claimed {
  id: string
  retryCount: number
}

/**
 * `sent` = all of it, and the job is completed when `settled`; else why not, and whoever decided that has done the
 * rest.
 */
export type Delivered = { outcome: 'sent' | 'wait' | 'drop' | 'given_back'; settled: boolean }

/**
 * Sends what a job names: every part of a message that still has to go, in order. `onOrigin` hears where it comes
 * from before anything is sent. Throws SendError.
 */
export async function deliver(
  deps: Delivering,
  data: DeliveryJob,
  job: Claimed,
  onOrigin: (origin: Due['origin']) => void,
): Promise<Delivered> {
  const { ctx } = deps
  const sender = deps.senders[data.channel]
  if ('payload' in data) {
    onOrigin(nowhere)
    if (!sender) throw new SendError('channel_disabled')
    return { outcome: await sendBare(sender, data.address, data.payload), settled: false }
  }
  if ('closes' in data) {
    onOrigin(nowhere)
    await closeButtons(deps, sender, data.closes)
    return { outcome: 'sent', settled: false }
  }
  const { messageId } = data
  const plan = sender && (await planDelivery({ ctx, input: { to: data, messageId } }))
  const { origin, parts } = await deps.load(messageId, job)
  onOrigin(origin)
  // Somebody held its turn at the moment, and it was stored by itself with a job of its own; or its person is gone.
  if (origin === nowhere) return { outcome: 'drop', settled: false }
  if (!plan) throw new SendError('channel_disabled')
  if (plan.action !== 'send') return { outcome: plan.action, settled: false }
  let settled = false
  for (const [index, part] of parts.entries()) {
    const payload = payloadSchema.parse(part.payload)
    const due = plan.template === undefined ? payload : { ...payload, template: plan.template }
    if (sender.tellsFate) {
      await keepPace(deps, data, parts.length - index)
      // What was given back waits for its own job, and so do the parts behind it.
      if ((await sendFollowed(deps, sender, part, due)) === 'given_back')
        return { outcome: 'given_back', settled: false }
    } else settled = await sendOnce(deps, sender, part, due, part === parts.at(-1) ? job : undefined)
  }
  // FAILED too: a dead letter that an operator sent again.
  if (!settled)
    await ctx.db.message.updateMany({
      where: {
        id: messageId,
        state: { in: ['PENDING', 'FAILED'] },
        deliveries: { none: { state: { in: ['PENDING', 'DEAD'] } } },
      },
      data: { state: 'SENT' },
    })
  ctx.log.info({ messageId, parts: parts.length, traceId: traceIdOf(origin.traceParent) }, 'message sent')
  return { outcome: 'sent', settled }
}

/** What belongs to no message of ours: not worth another attempt, or an operator's look, once it may not be sent. */
async function sendBare(sender: ChannelSender, address: string, payload: Payload): Promise<'sent' | 'drop'> {
  try {
    await sender.send(address, payload)
    return 'sent'
  } catch (error) {
    if (isForbidden(error)) return 'drop'
    throw error
  }
}

/** Only for show: nothing waits for it, whatever the provider says. */
async function closeButtons({ ctx }: DeliverDeps, sender: ChannelSender | undefined, messageId: string) {
  const last = await ctx.db.delivery.findFirst({
    where: { messageId, providerMessageId: { not: null } },
    orderBy: { part: 'desc' },
    select: { address: true, providerMessageId: true },
  })
  if (last?.providerMessageId == null) return
  await sender?.closeButtons?.(last.address, last.providerMessageId).catch((error: unknown) => {
    const code = error instanceof SendError ? error.code : 'delivery_error'
    ctx.log.info({ messageId, code }, 'buttons were not taken away')
  })
}

/** A part that would be too many goes later, with the rest of its message. */
async function keepPace({ ctx, pace }: Delivering, to: Recipient, parts: number): Promise<void> {
  const retryAfterMs = pace.take() || (await takePace({ ctx, input: { to, parts } }))
  if (retryAfterMs > 0) throw new SendError(pacedCode, { retryAfterMs })
}

/** For a provider whose acceptance is all that we ever hear. True when that, and the job, are noted for good. */
async function sendOnce(
  { ctx, settle }: Delivering,
  sender: ChannelSender,
  { id, address }: DuePart,
  payload: Payload,
  job: Claimed | undefined,
): Promise<boolean> {
  const { db, clock } = ctx
  const where = { id }
  const attempts = { increment: 1 }
  let providerMessageId: string
  try {
    const sent = await sender.send(address, payload)
    providerMessageId = sent.providerMessageId
  } catch (error) {
    const lastErrorCode = error instanceof SendError ? error.code : 'delivery_error'
    await db.delivery.update({ where, data: { attempts, lastErrorCode } })
    throw error
  }
  const sentAt = new Date(clock.now())
  if (await settle({ deliveryId: id, providerMessageId, sentAt, job })) return job !== undefined
  await db.delivery.update({ where, data: { state: 'SENT', providerMessageId, sentAt, attempts } })
  return false
}

/**
 * For a provider that tells later what became of a part. The attempt is counted first and named to the provider, so
 * that its word is understood even when it comes before our own commit, or when we died in between.
 */
async function sendFollowed({ ctx }: DeliverDeps, sender: ChannelSender, part: DuePart, payload: Payload) {
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
  const named = { deliveryId: part.id, attempt }
  try {
    const { providerMessageId } = await sender.send(part.address, payload, named)
    await recordFate({ ctx, input: { ...named, providerMessageId, fate: { state: 'SENT' } } })
    return 'sent'
  } catch (error) {
    if (!(error instanceof SendError)) throw error
    const { code, kind } = error
    if (isForbidden(error)) {
      const fate = { state: 'FAILED', failure: { code, kind } } as const
      await recordFate({ ctx, input: { ...named, providerMessageId: null, fate } })
      return 'given_back'
    }
    await ctx.db.delivery.update({ where, data: { lastErrorCode: code } })
    throw error
  }
}

/** The channel's rules, not a failure: only the person can change it, by writing. */
const isForbidden = (error: unknown) =>
  error instanceof SendError && (error.kind === 'opted_out' || error.kind === 'window_closed')
