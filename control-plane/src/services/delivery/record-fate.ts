import type { Delivery, Transaction } from '@yourclaw/db'
import { type FailureKind, payloadSchema, withoutButtons } from '../../channels/sender.ts'
import { inTransaction, nudge } from '../../context.ts'
import { type Contact, lockContact, updateContact } from '../channel/contact.ts'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { dropIn } from './drop.ts'

/*
 * What becomes of one part, as its provider tells it:
 *   PENDING → SENT → DELIVERED → READ    forwards only; a state may be skipped, none comes back
 *   PENDING | SENT → DEAD                failed for good: the message is FAILED, and a dead letter unless the person opted out
 *   PENDING | SENT → PENDING             failed for now: the next attempt, at once, later, or when the window is open
 * Only the latest attempt counts, and only under the one provider id it got.
 */

const rank = { PENDING: 0, SENT: 1, DELIVERED: 2, READ: 3, DEAD: 9 } as const
/** Attempts of one part that the provider took and then failed, before it is given up; those that it refused do not count. */
const maxFailures = 5
const firstRetryMs = 30_000
/** Those that found no room, counted apart: waits double up to an hour, so it is a day and more. */
const maxWaits = 36
const longestWaitMs = 3_600_000

export interface Failure {
  /** Stable, lower-case, with underscores. */
  code: string
  kind: FailureKind
  retryAfterMs?: number | undefined
}

export interface FateInput {
  deliveryId: string
  attempt: number
  /** Null for a failure that came with the refusal itself. */
  providerMessageId: string | null
  fate: { state: 'SENT' | 'DELIVERED' | 'READ' } | { state: 'FAILED'; failure: Failure }
}

/** False when it says nothing new: an older attempt, an earlier state, a delivery that is gone. */
export async function recordFate({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: FateInput
}): Promise<boolean> {
  const { deliveryId, attempt, providerMessageId, fate } = input
  const found = await ctx.db.delivery.findUnique({ where: { id: deliveryId } })
  if (!found) return false
  return inTransaction(ctx, async (tx) => {
    // Contact, message, delivery: everyone who takes more than one of these locks takes them in this order.
    const to = { channel: found.channel, address: found.address }
    const contact = fate.state === 'FAILED' ? await lockContact(tx, to) : null
    await tx.$queryRaw`SELECT 1 FROM messages WHERE id = ${found.messageId}::uuid FOR UPDATE`
    const delivery = await tx.delivery.findUnique({ where: { id: deliveryId } })
    if (!delivery || delivery.attempts !== attempt || !isTheAttempt(delivery, providerMessageId)) return false
    if (fate.state === 'FAILED')
      return fail(tx, ctx, { to, contact, delivery, providerMessageId }, fate.failure)
    if (rank[fate.state] <= rank[delivery.state]) return false
    await tx.delivery.update({ where: { id: deliveryId }, data: { state: fate.state, providerMessageId } })
    await advanceMessage(tx, delivery)
    return true
  })
}

/** A part that was given back for its next attempt keeps the id of the one that failed. */
function isTheAttempt(delivery: Delivery, providerMessageId: string | null): boolean {
  if (delivery.state === 'PENDING') return delivery.providerMessageId === null
  return delivery.providerMessageId === providerMessageId
}

/** A message is as far as the part that is least far. */
async function advanceMessage(tx: Transaction, { messageId, userId }: Delivery): Promise<void> {
  const parts = await tx.delivery.findMany({ where: { messageId }, select: { state: true } })
  const least = parts.reduce((found, part) => (rank[part.state] < rank[found.state] ? part : found), {
    state: 'READ' as Delivery['state'],
  })
  if (least.state === 'PENDING' || least.state === 'DEAD') return
  if (parts.some((part) => part.state === 'DEAD')) return
  const earlier = (['PENDING', 'SENT', 'DELIVERED', 'READ'] as const).slice(0, rank[least.state])
  const moved = await tx.message.updateMany({
    where: { id: messageId, state: { in: earlier } },
    data: { state: least.state },
  })
  if (moved.count > 0) nudge(tx, 'messages', userId)
}

async function fail(
  tx: Transaction,
  ctx: ConversationCtx,
  part: { to: Recipient; contact: Contact | null; delivery: Delivery; providerMessageId: string | null },
  { code, kind, retryAfterMs }: Failure,
): Promise<boolean> {
  const { to, delivery } = part
  if (rank[delivery.state] > rank.SENT) return false
  const { messageId } = delivery
  const dropped = { messageId, code, failedDeliveryId: delivery.id }
  const now = new Date(ctx.clock.now())
  if (kind === 'opted_out') {
    await updateContact(tx, to, { optedOutAt: part.contact?.optedOutAt ?? now })
    nudge(tx, 'user', delivery.userId)
    await dropIn(tx, { ...dropped, code: 'opted_out' })
    return true
  }
  // What has buttons may be refused for them alone: it goes once more, with numbers.
  const plain = kind === 'permanent' ? withoutButtons(payloadSchema.parse(delivery.payload)) : null
  if (plain) {
    await tx.delivery.update({
      where: { id: delivery.id },
      data: { ...givenBack(part, code), payload: plain },
    })
    await reopenIn(tx, ctx, to, messageId, 0)
    return true
  }
  const isWait = retryAfterMs !== undefined
  const times = (isWait ? delivery.waits : delivery.failures) + 1
  if (kind === 'permanent' || (kind === 'retry' && times >= (isWait ? maxWaits : maxFailures))) {
    await dropIn(tx, dropped)
    await ctx.outbox.bury(tx, to, messageId)
    return true
  }
  // What the person wrote since has opened the window again; then this closes nothing.
  if (kind === 'window_closed') {
    const closedAt = Math.max(
      (delivery.sentAt ?? now).getTime(),
      part.contact?.windowClosedAt?.getTime() ?? 0,
    )
    await updateContact(tx, to, { windowClosedAt: new Date(closedAt) })
  }
  const counted = kind !== 'retry' ? {} : isWait ? { waits: times } : { failures: times }
  await tx.delivery.update({ where: { id: delivery.id }, data: { ...givenBack(part, code), ...counted } })
  const delayMs = kind === 'window_closed' ? 0 : delayOf(times, retryAfterMs)
  await reopenIn(tx, ctx, to, messageId, delayMs)
  return true
}

const givenBack = (part: { providerMessageId: string | null }, lastErrorCode: string) =>
  ({ state: 'PENDING', providerMessageId: part.providerMessageId ?? 'refused', lastErrorCode }) as const

async function reopenIn(
  tx: Transaction,
  ctx: ConversationCtx,
  to: Recipient,
  messageId: string,
  delayMs: number,
) {
  await tx.message.updateMany({ where: { id: messageId, state: 'SENT' }, data: { state: 'PENDING' } })
  await ctx.outbox.enqueueMessage(tx, to, messageId, delayMs)
}

function delayOf(times: number, retryAfterMs: number | undefined): number {
  const doubled = (retryAfterMs ?? firstRetryMs) * 2 ** (times - 1)
  return retryAfterMs === undefined ? doubled : Math.max(retryAfterMs, Math.min(doubled, longestWaitMs))
}
