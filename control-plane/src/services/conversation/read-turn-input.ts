import type { Channel } from '@yourclaw/db'
import { type Ctx, inTransaction } from '../../context.ts'
import { assertRunningUnder, lockTurn } from './turn-rows.ts'

export interface TurnInput {
  /** Oldest first; `at` is milliseconds since the epoch. */
  messages: { text: string; at: number }[]
  /** Oldest first. */
  history: { fromAssistant: boolean; text: string }[]
  userId: string
  /** Where the answer goes. */
  channel: Channel
  address: string
  /** The provider's id of the newest of the messages. */
  replyTo: string | null
}

const historyLength = 20

/** What a running turn answers, in order. Throws stale_epoch for a session that was superseded. */
export function readTurnInput({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { turnId: string; sessionEpoch: bigint; withHistory: boolean }
}): Promise<TurnInput> {
  return inTransaction(ctx, async (tx) => {
    const turn = await lockTurn(tx, input.turnId)
    assertRunningUnder(turn, input.sessionEpoch)
    const messages = await tx.message.findMany({
      where: { turnId: turn.id, direction: 'INBOUND' },
      orderBy: { seq: 'asc' },
    })
    const last = messages.at(-1)
    if (!last) throw new Error('a running turn without messages')
    const history = input.withHistory
      ? await tx.message.findMany({
          where: {
            userId: turn.userId,
            kind: 'CHAT',
            // By state, not by seq: the answer before is stored after messages that arrived while it was written.
            state: { notIn: ['REFUSED', 'RECEIVED'] },
            OR: [{ turnId: null }, { turnId: { not: turn.id } }],
          },
          orderBy: { seq: 'desc' },
          take: historyLength,
        })
      : []
    return {
      messages: inConversationOrder(messages).map(({ body, createdAt }) => ({
        text: body,
        at: createdAt.getTime(),
      })),
      history: history
        .reverse()
        .map(({ direction, body }) => ({ fromAssistant: direction === 'OUTBOUND', text: body })),
      userId: turn.userId,
      channel: last.channel,
      address: last.address,
      replyTo: last.providerMessageId,
    }
  })
}

interface Ordered {
  channel: Channel
  providerOrder: bigint | null
}

/** By commit; Telegram's own messages keep their places among the others but stand there by update_id (M4). */
export function inConversationOrder<T extends Ordered>(bySeq: readonly T[]): T[] {
  const isNumbered = (message: T) => message.channel === 'TELEGRAM' && message.providerOrder !== null
  const numbered = bySeq
    .filter(isNumbered)
    .sort((a, b) => Number((a.providerOrder ?? 0n) - (b.providerOrder ?? 0n)))
  let next = 0
  return bySeq.map((message) => (isNumbered(message) ? (numbered[next++] ?? message) : message))
}
