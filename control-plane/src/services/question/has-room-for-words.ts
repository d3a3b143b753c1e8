import type { Transaction } from '@yourclaw/db'
import type { ConversationCtx } from '../conversation/ctx.ts'

/** Words that are said to answers in a minute; what an answer asks for is done all the same. */
const mostWords = 20

/** Whether one more is answered in words: presses and numbers cost whoever sends them nothing. */
export async function hasRoomForWords(
  tx: Transaction,
  { clock }: ConversationCtx,
  userId: string,
): Promise<boolean> {
  const since = new Date(clock.now() - 60_000)
  const answers = { userId, direction: 'INBOUND', kind: 'NOTICE', createdAt: { gt: since } } as const
  return (await tx.message.count({ where: answers })) <= mostWords
}
