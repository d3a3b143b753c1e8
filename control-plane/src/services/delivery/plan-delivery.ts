import type { Transaction } from '@yourclaw/db'
import type { Payload } from '../../channels/sender.ts'
import { inTransaction } from '../../context.ts'
import { type Contact, isWindowOpen, lockContact } from '../channel/contact.ts'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { findOwner, sayOnce } from '../conversation/rows.ts'
import { dropIn } from './drop.ts'

/** `send` = as it is, unless a template has to go in its place; `wait` = until the person writes; `drop` = never. */
export type Plan = { action: 'send'; template?: Payload['template'] } | { action: 'wait' | 'drop' }

/**
 * What a channel's rules say about a message that is due. Outside WhatsApp's 24-hour window the word that the
 * assistant is ready goes as its template; everything else waits, and one invitation to write goes out (M12).
 */
export async function planDelivery({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: { to: Recipient; messageId: string }
}): Promise<Plan> {
  const { to, messageId } = input
  if (to.channel !== 'WHATSAPP') return { action: 'send' }
  return inTransaction(ctx, async (tx) => {
    const now = new Date(ctx.clock.now())
    const contact = await lockContact(tx, to)
    if (contact.optedOutAt) {
      await dropIn(tx, { messageId, code: 'opted_out' })
      return { action: 'drop' }
    }
    const message = await tx.message.findUnique({
      where: { id: messageId },
      select: { code: true, user: { select: { id: true, name: true } } },
    })
    if (!message) return { action: 'drop' }
    // A number changes hands: what waited for one person must not reach the next (I2).
    if ((await findOwner(tx, to)) !== message.user.id) {
      await dropIn(tx, { messageId, code: 'unbound' })
      return { action: 'drop' }
    }
    if (isWindowOpen(contact, now)) return { action: 'send' }
    if (message.code === 'assistant_ready') {
      // A variable must not be empty, or Twilio refuses it.
      const variables = { 1: message.user.name.trim() || 'there' }
      return { action: 'send', template: { contentSid: ctx.settings.whatsapp.readyContentSid, variables } }
    }
    await tx.delivery.updateMany({ where: { messageId, state: 'PENDING' }, data: { heldAt: now } })
    await inviteOnce(tx, ctx, to, message.user.id, contact)
    return { action: 'wait' }
  })
}

/** Once for every time the window closed. */
async function inviteOnce(
  tx: Transaction,
  ctx: ConversationCtx,
  to: Recipient,
  userId: string,
  contact: Contact,
) {
  const contentSid = ctx.settings.whatsapp.inviteContentSid
  if (contentSid === null) return
  const key = contact.lastInboundAt?.toISOString() ?? 'never'
  if (!(await sayOnce(tx, userId, 'whatsapp_invite', key))) return
  await ctx.outbox.enqueueText(tx, to, { text: '', template: { contentSid, variables: {} } })
}
