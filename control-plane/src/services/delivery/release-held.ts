import type { Transaction } from '@yourclaw/db'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { findOwner } from '../conversation/rows.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { texts } from '../conversation/texts.ts'

/*
 * What waited for somebody to write (WhatsApp). Whoever comes back wants an answer, and not a fortnight of reminders
 * before it: the newest few go out in their order, and of the others one line says how many there were and where they
 * can be read. What they asked for is answered, however long ago: an answer is never summed up, only what nobody asked for.
 */

/** Held longer than this, a message that answers nothing is not sent any more. */
const heldForMs = 3 * 86_400_000
const mostMessages = 5
/** Well below what WhatsApp takes at once, so that the answer does not wait for a place behind them. Answers count. */
const mostParts = 10
/** On the parts of a message that was summed up. */
export const summedUpCode = 'held_too_long'

interface Held {
  messageId: string
  userId: string
  heldAt: Date
  parts: number
  /** A turn wrote it: the person waits for it. */
  isAnswer: boolean
}

/** Lets go what is held for an address. Only under the lock of its contact. */
export async function releaseHeldIn(
  tx: Transaction,
  ctx: ConversationCtx,
  to: Recipient,
  now: Date,
): Promise<void> {
  const held = await tx.$queryRaw<Held[]>`
    SELECT m.id AS "messageId", m.user_id AS "userId", max(d.held_at) AS "heldAt", count(*)::int AS parts,
      m.turn_id IS NOT NULL AS "isAnswer"
    FROM deliveries d JOIN messages m ON m.id = d.message_id
    WHERE d.channel = ${to.channel}::"Channel" AND d.address = ${to.address} AND d.held_at IS NOT NULL
    GROUP BY m.id ORDER BY m.seq`
  if (held.length === 0) return
  // What is another person's is dropped where it is sent, and none of the new owner's business.
  const owner = await findOwner(tx, to)
  const mine = held.filter(({ userId }) => userId === owner)
  const late = summedUp(mine, now).map(({ messageId }) => messageId)
  if (owner !== null && late.length > 0) {
    const text = texts.heldSummedUp(late.length, ctx.settings.webUrl)
    await sendNoticeIn(tx, ctx, { userId: owner, to, code: 'held_summed_up', text })
    await tx.message.updateMany({
      where: { id: { in: late }, state: { in: ['PENDING', 'SENT'] } },
      data: { state: 'FAILED' },
    })
    await tx.delivery.updateMany({
      where: { messageId: { in: late }, state: 'PENDING' },
      data: { state: 'DEAD', heldAt: null, lastErrorCode: summedUpCode },
    })
  }
  const released = held.map(({ messageId }) => messageId).filter((id) => !late.includes(id))
  await tx.delivery.updateMany({ where: { messageId: { in: released } }, data: { heldAt: null } })
  for (const messageId of released) await ctx.outbox.enqueueMessage(tx, to, messageId)
}

/** All but answers and the newest few that still go out beside them; the newest of all, however long it is. */
function summedUp(held: readonly Held[], now: Date): Held[] {
  const others = held.filter(({ isAnswer }) => !isAnswer)
  const answers = held.length - others.length
  let parts = held.reduce((sum, message) => sum + (message.isAnswer ? message.parts : 0), 0)
  const stop = others.toReversed().findIndex((message, index) => {
    parts += message.parts
    const isOld = now.getTime() - message.heldAt.getTime() >= heldForMs
    const before = answers + index
    return isOld || before >= mostMessages || (before > 0 && parts > mostParts)
  })
  return stop === -1 ? [] : others.slice(0, others.length - stop)
}
