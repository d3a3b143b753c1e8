import type { Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import { staleEpoch } from '../../errors.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { sanitize } from './sanitize.ts'
import { storeOutgoing } from './send-notice.ts'
import { assertRunningUnder, lockTurn, type TurnRow } from './turn-rows.ts'

/** What an answer takes of its turn: whose it is and where it goes, the same for the turn's life. */
export interface AnsweredTurn extends Recipient {
  userId: string
  receivedAt: Date
}

export interface FinishInput {
  turnId: string
  sessionEpoch: bigint
  /** Looked up when nobody here knows. */
  turn?: AnsweredTurn | undefined
  /** Markdown; empty = the assistant has nothing to say. */
  text: string
}

/**
 * Stores the one answer of a turn with its delivery, in one transaction. The same answer again changes nothing;
 * anything else that is not the running attempt's throws stale_epoch.
 *
 * No nudge for the assistant's next turn: the session that carried this one looks for it itself. One that ends or dies
 * before it does is followed by one that adopts, which waits for this commit or makes it write nothing, and looks then.
 */
export async function finishTurn({ ctx, input }: { ctx: ConversationCtx; input: FinishInput }) {
  return (await ctx.together.finish(input)) ?? finishAlone({ ctx, input })
}

function finishAlone({ ctx, input }: { ctx: ConversationCtx; input: FinishInput }) {
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
    const isSilent = text.trim() === ''
    const to = await closeTurn(tx, turn, at, isSilent ? 0 : 1)
    if (!to || isSilent) {
      nudge(tx, 'messages', turn.userId)
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
    return { messageId }
  })
}

/**
 * RUNNING → DONE; its messages are answered, and `answers` counted on the user's own day. Returns where the answer
 * goes: where the newest of the messages came from.
 */
async function closeTurn(
  tx: Transaction,
  turn: TurnRow,
  at: Date,
  answers: 0 | 1,
): Promise<Recipient | null> {
  const [newest] = await tx.$queryRaw<Recipient[]>`
    WITH done AS (
      UPDATE turns SET state = 'DONE', partial_text = NULL, finished_at = ${at} WHERE id = ${turn.id}::uuid
    ), answered AS (
      UPDATE messages SET state = 'ANSWERED' WHERE turn_id = ${turn.id}::uuid AND direction = 'INBOUND'
      RETURNING channel, address, seq
    ), counted AS (
      INSERT INTO usage_daily AS u (user_id, date, outbound_count)
      SELECT id, (${at}::timestamptz AT TIME ZONE time_zone)::date, 1 FROM users
      WHERE id = ${turn.userId}::uuid AND ${answers}::int > 0
      ON CONFLICT (user_id, date) DO UPDATE SET outbound_count = u.outbound_count + 1
    )
    SELECT channel::text, address FROM answered ORDER BY seq DESC LIMIT 1`
  return newest ?? null
}
