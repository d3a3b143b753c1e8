import type { Delivery } from '@yourclaw/db'
import { traceIdOf } from '@yourclaw/telemetry'
import { z } from 'zod'
import {
  type ChannelSender,
  type ChannelSenders,
  type Payload,
  payloadSchema,
  SendError,
} from '../channels/sender.ts'
import type { ConversationCtx } from '../services/conversation/ctx.ts'
import { planDelivery } from '../services/delivery/plan-delivery.ts'
import { recordFate } from '../services/delivery/record-fate.ts'

const channelSchema = z.enum(['TELEGRAM', 'WHATSAPP', 'WEB'])
/** A stored message, whose parts are in the table, or a text that belongs to no user. */
export const deliveryJobSchema = z.union([
  z.object({ channel: channelSchema, address: z.string(), messageId: z.uuid() }),
  z.object({ channel: channelSchema, address: z.string(), payload: payloadSchema }),
])
export type DeliveryJob = z.infer<typeof deliveryJobSchema>

export interface DeliverDeps {
  ctx: ConversationCtx
  senders: ChannelSenders
}

/** Null when all was sent; else why not, and whoever decided that has done the rest. Throws SendError. */
export type Withheld = 'wait' | 'drop' | 'given_back' | null

/** Sends what a job names: every part of a message that still has to go, in order. */
export async function deliver(
  deps: DeliverDeps,
  job: DeliveryJob,
  traceParent: string | null,
): Promise<Withheld> {
  const { ctx } = deps
  const sender = deps.senders[job.channel]
  if (!sender) throw new SendError('channel_disabled')
  if ('payload' in job) return sendBare(sender, job.address, job.payload)
  const { messageId } = job
  const plan = await planDelivery({ ctx, input: { to: job, messageId } })
  if (plan.action !== 'send') return plan.action
  const parts = await ctx.db.delivery.findMany({
    where: { messageId, state: { in: ['PENDING', 'DEAD'] } },
    orderBy: { part: 'asc' },
  })
  const send = sender.tellsFate ? sendFollowed : sendOnce
  for (const part of parts) {
    const payload = payloadSchema.parse(part.payload)
    const due = plan.template === undefined ? payload : { ...payload, template: plan.template }
    // What was given back waits for its own job, and so do the parts behind it.
    if ((await send(deps, sender, part, due)) === 'given_back') return 'given_back'
  }
  // FAILED too: a dead letter that an operator sent again.
  await ctx.db.message.updateMany({
    where: {
      id: messageId,
      state: { in: ['PENDING', 'FAILED'] },
      deliveries: { none: { state: { in: ['PENDING', 'DEAD'] } } },
    },
    data: { state: 'SENT' },
  })
  ctx.log.info({ messageId, parts: parts.length, traceId: traceIdOf(traceParent) }, 'message sent')
  return null
}

/** What belongs to no message of ours: not worth another attempt, or an operator's look, once it may not be sent. */
async function sendBare(sender: ChannelSender, address: string, payload: Payload): Promise<Withheld> {
  try {
    await sender.send(address, payload)
    return null
  } catch (error) {
    if (isForbidden(error)) return 'drop'
    throw error
  }
}

/** For a provider whose acceptance is all that we ever hear. */
async function sendOnce({ ctx }: DeliverDeps, sender: ChannelSender, part: Delivery, payload: Payload) {
  const { db, clock } = ctx
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
async function sendFollowed({ ctx }: DeliverDeps, sender: ChannelSender, part: Delivery, payload: Payload) {
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
