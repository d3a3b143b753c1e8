import type { Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { releaseHeldIn } from '../delivery/release-held.ts'
import { lockContact, updateContact } from './contact.ts'

/** The shortest time after which a carrier gives a number to somebody else (47 CFR 64.1200(l)). */
const numberAgesMs = 45 * 24 * 3_600_000

/** What the person asked for by this message, if it is about receiving messages at all. */
export type OptOut = 'STOP' | 'START'

/** `out`: nothing may be sent; `stopped` and `back`: since this very message. */
export type Heard = 'open' | 'out' | 'stopped' | 'back'

/**
 * Notes that somebody wrote on WhatsApp: that opens the 24-hour window, and what waited for it goes out.
 * START of somebody who never left is a word like any other.
 */
export function hearFrom({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: { to: Recipient; optOut?: OptOut | undefined }
}): Promise<Heard> {
  const { to, optOut } = input
  return inTransaction(ctx, async (tx) => {
    const now = new Date(ctx.clock.now())
    const contact = await lockContact(tx, to)
    const wasOut = contact.optedOutAt !== null
    const optedOutAt = optOut === 'STOP' ? now : optOut === 'START' ? null : contact.optedOutAt
    await updateContact(tx, to, { lastInboundAt: now, optedOutAt })
    const silentMs = now.getTime() - (contact.lastInboundAt ?? now).getTime()
    if (silentMs >= numberAgesMs && to.address.startsWith('whatsapp:+')) await lapseIn(tx, to, now)
    if (optedOutAt !== null) return wasOut ? 'out' : 'stopped'
    await releaseHeldIn(tx, ctx, to, now)
    return wasOut ? 'back' : 'open'
  })
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
