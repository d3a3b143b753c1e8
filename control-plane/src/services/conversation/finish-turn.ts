import { inTransaction, nudge } from '../../context.ts'
import { staleEpoch } from '../../errors.ts'
import type { ConversationCtx } from './ctx.ts'
import { userDay } from './limits.ts'
import { sanitize } from './sanitize.ts'
import { storeOutgoing } from './send-notice.ts'
import { assertRunningUnder, lockTurn, turnRecipient } from './turn-rows.ts'

export interface FinishInput {
  turnId: string
  sessionEpoch: bigint
  /** Markdown; empty = the assistant has nothing to say. */
  text: string
}

/**
 * Stores the one answer of a turn with its delivery, in one transaction. The same answer again changes nothing;
 * anything else that is not the running attempt's throws stale_epoch.
 */
export function finishTurn({ ctx, input }: { ctx: ConversationCtx; input: FinishInput }) {
  const text = sanitize(input.text)
  return inTransaction(ctx, async (tx): Promise<{ messageId: string | null }> => {
    const turn = await lockTurn(tx, input.turnId)
    if (turn.state === 'DONE') {
      const stored = await tx.message.findFirst({
        where: { turnId: turn.id, direction: 'OUTBOUND', kind: 'CHAT' },
        select: { id: true, body: true },
      })
      if ((stored?.body ?? '') === (text.trim() === '' ? '' : text)) return { messageId: stored?.id ?? null }
      throw staleEpoch()
    }
    assertRunningUnder(turn, input.sessionEpoch)
    const at = new Date(ctx.clock.now())
    const to = await turnRecipient(tx, turn.id)
    await tx.turn.update({ where: { id: turn.id }, data: { state: 'DONE', finishedAt: at } })
    await tx.message.updateMany({
      where: { turnId: turn.id, direction: 'INBOUND' },
      data: { state: 'ANSWERED' },
    })
    if (turn.hostServerId !== null) await nudge(tx, 'turns', turn.hostServerId)
    if (!to || text.trim() === '') {
      await nudge(tx, 'messages', turn.userId)
      return { messageId: null }
    }
    const messageId = await storeOutgoing(tx, ctx, {
      userId: turn.userId,
      to,
      kind: 'CHAT',
      text,
      turnId: turn.id,
      traceParent: turn.traceParent,
    })
    const day = await userDay(tx, turn.userId, at)
    await tx.$executeRaw`
      INSERT INTO usage_daily AS u (user_id, date, outbound_count) VALUES (${turn.userId}::uuid, ${day.date}::date, 1)
      ON CONFLICT (user_id, date) DO UPDATE SET outbound_count = u.outbound_count + 1`
    return { messageId }
  })
}
