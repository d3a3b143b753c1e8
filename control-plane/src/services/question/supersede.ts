import type { Transaction } from '@yourclaw/db'
import { nudge } from '../../context.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'
import type { QuestionKind } from './kinds.ts'

/** Closes what is open of a kind: it is asked anew, or answered in words. Only under the assistant's lock. */
export async function supersedeIn(
  tx: Transaction,
  ctx: ConversationCtx,
  { userId, kind }: { userId: string; kind: QuestionKind },
): Promise<void> {
  const now = new Date(ctx.clock.now())
  const closed = await tx.question.updateManyAndReturn({
    where: { userId, kind, answeredAt: null, expiresAt: { gt: now } },
    data: { expiresAt: now },
  })
  if (closed.length > 0) nudge(tx, 'messages', userId)
  for (const { channel, address, messageId } of closed)
    await ctx.outbox.enqueueClose(tx, { channel, address }, messageId)
}
