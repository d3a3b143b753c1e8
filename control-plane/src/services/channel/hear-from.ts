import type { Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { type ReceiveInput, storeAside } from '../conversation/receive-message.ts'
import { lockOwner } from '../conversation/rows.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { stopAnswerIn } from '../conversation/stop-answer.ts'
import { tellAddressIn } from '../conversation/tell-address.ts'
import { texts } from '../conversation/texts.ts'
import { releaseHeldIn } from '../delivery/release-held.ts'
import { lockContact, updateContact } from './contact.ts'

/** The shortest time after which a carrier gives a number to somebody else (47 CFR 64.1200(l)). */
const numberAgesMs = 45 * 24 * 3_600_000

/** What the person asked for by this message, if it is about receiving messages at all. */
export type OptOut = 'STOP' | 'START'

/** `out`: nothing may be sent. `done`: the message was about that alone, and there is no more to do about it. */
export type Heard = 'open' | 'out' | 'done'

/**
 * Notes that somebody wrote on WhatsApp: that opens the 24-hour window, and what waited for it goes out. A message that
 * leaves or comes back is stored as one to us (M8), and does so once (M2). START of somebody who never left is a word like
 * any other.
 */
export function hearFrom({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: { message: ReceiveInput; optOut?: OptOut | undefined }
}): Promise<Heard> {
  const { message, optOut } = input
  const to = { channel: message.channel, address: message.address }
  return inTransaction(ctx, async (tx) => {
    const now = new Date(ctx.clock.now())
    const contact = await lockContact(tx, to)
    const silentMs = now.getTime() - (contact.lastInboundAt ?? now).getTime()
    if (silentMs >= numberAgesMs && to.address.startsWith('whatsapp:+')) await lapseIn(tx, to, now)
    const wasOut = contact.optedOutAt !== null
    const leaves = optOut === 'STOP'
    const returns = optOut === 'START' && wasOut
    const owner = leaves || returns ? await lockOwner(tx, to) : null
    if (owner && !(await storeAside(tx, ctx, owner, message, leaves ? 'opt_out' : 'opt_in'))) return 'done'
    // Twilio may have told first, by refusing what was sent.
    const optedOutAt = returns ? null : (contact.optedOutAt ?? (leaves ? now : null))
    await updateContact(tx, to, { lastInboundAt: now, optedOutAt })
    if (optedOutAt === null) await releaseHeldIn(tx, ctx, to, now)
    if (!leaves && !returns) return wasOut ? 'out' : 'open'
    if (owner) nudge(tx, 'user', owner.userId)
    if (returns) await tellBack(tx, ctx, message)
    else if (owner && optedOutAt) {
      await stopAnswerIn(tx, ctx, owner, to)
      await tellLeft(tx, ctx, owner.userId, optedOutAt)
    }
    return 'done'
  })
}

function tellBack(
  tx: Transaction,
  ctx: ConversationCtx,
  { channel, address, providerMessageId }: ReceiveInput,
) {
  const once = { kind: 'opt_in', key: `${channel}:${providerMessageId}` }
  return tellAddressIn(tx, ctx, { to: { channel, address }, code: 'opted_in', text: texts.optedIn, once })
}

/** On the web, where it may be said; however often somebody leaves, once until they come back. */
function tellLeft(tx: Transaction, ctx: ConversationCtx, userId: string, since: Date) {
  const to = { channel: 'WEB', address: userId } as const
  const once = { kind: 'opted_out', key: since.toISOString() }
  return sendNoticeIn(tx, ctx, { userId, to, code: 'opted_out', text: texts.optedOut, once })
}

/** A number that was silent for so long may be somebody else's by now: its owner proves it again (I2). */
async function lapseIn(tx: Transaction, { channel, address }: Recipient, now: Date): Promise<void> {
  const where = { channel, address, unboundAt: null }
  const binding = await tx.userPhone.findFirst({ where, select: { id: true, userId: true } })
  if (!binding) return
  await tx.userPhone.update({ where: { id: binding.id }, data: { unboundAt: now } })
  nudge(tx, 'user', binding.userId)
  const subject = `user:${binding.userId}`
  await tx.auditEvent.create({
    data: { actor: 'system', action: 'channel.lapsed', subject, data: { channel } },
  })
}
