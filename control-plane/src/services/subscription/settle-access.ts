import type { Transaction } from '@yourclaw/db'
import { inTransaction } from '../../context.ts'
import { dayMs, plan } from '../../plan.ts'
import { deleteAssistantIn } from '../assistant/delete-assistant.ts'
import { isEntitled } from '../assistant/require-entitlement.ts'
import { resumeAssistantIn } from '../assistant/resume-assistant.ts'
import { suspendAssistantIn } from '../assistant/suspend-assistant.ts'
import { enqueueMail } from '../mail/enqueue-mail.ts'
import type { BillingCtx } from './ctx.ts'
import { welcomeSubscriber } from './welcome-subscriber.ts'

/*
 * What a person's subscription means for the assistant (B3). A lapse is the time in which nothing pays for it:
 *
 *   paid for   → lapsed     suspended, its data kept; a mail names the day of the deletion
 *   lapsed     → paid for   resumed, as it was
 *   lapsed     → announced  plan.deletionNoticeDays before that day: one more mail
 *   announced  → deleted    after that day, the assistant with its memory and files; the account stays
 */

/** Moves one person along; nothing to do is the rule. */
export function settleAccess({ ctx, input }: { ctx: BillingCtx; input: { userId: string } }): Promise<void> {
  return inTransaction(ctx, (tx) => settleAccessIn(tx, ctx, input.userId))
}

/** The same, in a transaction of `inTransaction`. */
export async function settleAccessIn(tx: Transaction, ctx: BillingCtx, userId: string): Promise<void> {
  await tx.$queryRaw`SELECT 1 FROM assistants WHERE user_id = ${userId}::uuid FOR NO KEY UPDATE`
  const user = await tx.user.findUnique({ where: { id: userId }, include: { assistant: true, lapse: true } })
  if (!user) return
  const { assistant, lapse, email: to, name, timeZone } = user
  const now = new Date(ctx.clock.now())
  if (await isEntitled(tx, userId, now)) {
    if (lapse) await tx.lapse.delete({ where: { userId } })
    if (assistant) await resumeAssistantIn(tx, ctx, { userId, reason: 'unpaid' })
    await welcomeSubscriber(tx, ctx, userId)
    return
  }
  if (assistant === null || assistant.desired === 'ABSENT') {
    if (lapse) await tx.lapse.delete({ where: { userId } })
    return
  }
  if (!lapse) {
    const deleteAfter = new Date(now.getTime() + plan.retentionDays * dayMs)
    await tx.lapse.create({ data: { userId, since: now, deleteAfter } })
    await suspendAssistantIn(tx, ctx, { userId, reason: 'unpaid' })
    const props = { name, timeZone, deletedAfter: deleteAfter.toISOString() }
    const key = `assistant-suspended:${userId}:${now.toISOString()}`
    await enqueueMail({ tx, to, template: 'assistant-suspended', props, key })
    return
  }
  const left = lapse.deleteAfter.getTime() - now.getTime()
  if (left <= 0) {
    await deleteAssistantIn(tx, userId)
    await tx.lapse.delete({ where: { userId } })
  } else if (left <= plan.deletionNoticeDays * dayMs && lapse.announcedAt === null) {
    await tx.lapse.update({ where: { userId }, data: { announcedAt: now } })
    const props = { name, timeZone, deletedAfter: lapse.deleteAfter.toISOString() }
    const key = `deletion-ahead:${userId}:${lapse.since.toISOString()}`
    await enqueueMail({ tx, to, template: 'deletion-ahead', props, key })
  }
}
