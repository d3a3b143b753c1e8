import { inTransaction } from '../../context.ts'
import type { ConversationCtx } from './ctx.ts'
import { sendNoticeIn } from './send-notice.ts'
import { texts } from './texts.ts'
import { lockTurn, turnRecipient } from './turn-rows.ts'

/** Says that a long turn goes on: once a turn, and never after its answer. */
export function tellProgress({ ctx, input }: { ctx: ConversationCtx; input: { turnId: string } }) {
  const { turnId } = input
  return inTransaction(ctx, async (tx) => {
    const turn = await lockTurn(tx, turnId)
    if (turn.state !== 'RUNNING' || turn.cancelRequestedAt !== null) return
    const to = await turnRecipient(tx, turnId)
    if (!to) return
    const once = { kind: 'turn_progress', key: turnId }
    const { userId } = turn
    await sendNoticeIn(tx, ctx, { userId, to, code: once.kind, text: texts.stillWorking, once })
  })
}
