import type { Transaction } from '@yourclaw/db'
import { render } from '../../channels/render.ts'
import { inTransaction, nudge } from '../../context.ts'
import { filesOf } from '../attachment/attach.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'
import { userStanding } from '../conversation/limits.ts'
import { lockAssistant } from '../conversation/rows.ts'
import { quietUntil } from './quiet-until.ts'
import { whereToSpeak } from './where-to-speak.ts'

const batchSize = 200
/** So long after it was taken a message is still known to be the same. */
const knownMs = 90 * 86_400_000

/**
 * Sends what was said in quiet hours that are over, in its order, to where the person is by now. Safe to repeat, and for
 * two replicas at once.
 */
export async function releaseHeld({ ctx }: { ctx: ConversationCtx }): Promise<void> {
  const now = new Date(ctx.clock.now())
  const due = await ctx.db.message.findMany({
    where: { heldUntil: { lte: now } },
    orderBy: [{ userId: 'asc' }, { seq: 'asc' }],
    select: { id: true, userId: true },
    take: batchSize,
  })
  for (const { id, userId } of due) {
    await inTransaction(ctx, (tx) => release(tx, ctx, { id, userId, now })).catch((err: unknown) =>
      ctx.log.error({ err, messageId: id }, 'a held message could not be sent'),
    )
  }
  await ctx.db.spokenMessage.deleteMany({ where: { createdAt: { lt: new Date(now.getTime() - knownMs) } } })
}

async function release(
  tx: Transaction,
  ctx: ConversationCtx,
  { id, userId, now }: { id: string; userId: string; now: Date },
): Promise<void> {
  const assistant = await lockAssistant(tx, userId)
  const message = await tx.message.findFirst({
    where: { id, heldUntil: { lte: now } },
    select: { body: true, user: { select: { id: true, proactive: true, proactiveChannel: true } } },
  })
  if (!message) return
  nudge(tx, 'messages', userId)
  const { isEntitled } = await userStanding(tx, userId, now)
  // One that is gone, or was stopped, says nothing any more.
  const isThere = assistant?.desired === 'PRESENT' && assistant.suspendedAt === null
  if (!isEntitled || !message.user.proactive || !isThere) {
    const code = !isEntitled ? 'not_entitled' : isThere ? 'proactive_off' : 'assistant_unknown'
    await tx.message.update({ where: { id }, data: { state: 'FAILED', code, heldUntil: null } })
    return
  }
  // They may have been changed meanwhile.
  const heldUntil = await quietUntil(tx, userId, now)
  if (heldUntil) {
    await tx.message.update({ where: { id }, data: { heldUntil } })
    return
  }
  const to = await whereToSpeak(tx, ctx, message.user)
  const payloads = render(to.channel, message.body, { files: await filesOf(tx, id) })
  const state = payloads.length === 0 ? 'DELIVERED' : 'PENDING'
  await tx.message.update({ where: { id }, data: { ...to, state, heldUntil: null } })
  if (payloads.length === 0) return
  await tx.delivery.createMany({
    data: payloads.map((payload, part) => ({ messageId: id, userId, ...to, part, payload })),
  })
  await ctx.outbox.enqueueMessage(tx, to, id)
}
