import { inTransaction, nudge } from '../../context.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { texts } from '../conversation/texts.ts'
import { models, nameOf, successorOf } from '../model/catalogue.ts'
import { lockAssistant } from './lock-assistant.ts'
import { recordChange } from './record-change.ts'

const batch = 100

/**
 * Moves people off models that their providers have retired, chosen or to fall back on: live, and with a notice to those
 * who have an assistant. Safe to repeat and to run on every replica at once. Returns how many were moved.
 */
export async function moveRetired({ ctx }: { ctx: ConversationCtx }): Promise<number> {
  const nowMs = ctx.clock.now()
  const retired = models.filter(({ id }) => successorOf(id, nowMs)).map(({ id }) => id)
  if (retired.length === 0) return 0
  const users = await ctx.db.assistant.findMany({
    where: { OR: [{ model: { in: retired } }, { user: { fallbackModel: { in: retired } } }] },
    select: { userId: true },
    take: batch,
  })
  for (const { userId } of users) {
    await inTransaction(ctx, async (tx) => {
      const assistant = await lockAssistant(tx, userId)
      const user = await tx.user.findUniqueOrThrow({ where: { id: userId }, select: { fallbackModel: true } })
      const fallback = user.fallbackModel === null ? undefined : successorOf(user.fallbackModel, nowMs)
      if (fallback) await tx.user.update({ where: { id: userId }, data: { fallbackModel: fallback.id } })
      const successor = successorOf(assistant.model, nowMs)
      if (!successor && !fallback) return
      const model = successor?.id ?? assistant.model
      if (assistant.desired === 'ABSENT') {
        await tx.assistant.update({ where: { id: assistant.id }, data: { model } })
        nudge(tx, 'assistant', userId)
        return
      }
      await recordChange(tx, assistant, 'MODEL', { model })
      if (!successor) return
      const text = texts.modelRetired(nameOf(assistant.model), successor.name)
      await sendNoticeIn(tx, ctx, { userId, code: 'model_retired', text })
    })
  }
  return users.length
}
