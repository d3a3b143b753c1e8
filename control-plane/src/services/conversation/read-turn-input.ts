import type { Channel, TurnState } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { notFound } from '../../errors.ts'
import { type Described, describeAnswer, describeMessage } from '../attachment/describe.ts'
import { assertRunningUnder } from './turn-rows.ts'

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
  /** There is more to it than words: prepareTurn comes first. */
  hasMore: boolean
}

const historyLength = 20

export interface TurnMessage {
  body: string
  /** What the model is told before it. */
  context: string | null
  hasMore: boolean
  attachments?: Described[]
  createdAt: Date
  channel: Channel
  address: string
  providerOrder: bigint | null
  providerMessageId: string | null
}

interface Row extends Omit<TurnMessage, 'body' | 'attachments'> {
  messageId: string
  conversation: number
  /** Of the assistant: its newest, and the seq it began after. */
  current: number
  since: bigint
  state: TurnState
  sessionEpoch: bigint | null
  userId: string
  /** Null in the only row of a turn without messages. */
  body: string | null
}

/**
 * What a running turn answers, in order: what came with its claim when that says it all, since a turn's messages are
 * its own for good. Throws stale_epoch for a session that was superseded. Takes no lock: whatever is written later is
 * checked again.
 */
export async function readTurnInput({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { turnId: string; sessionEpoch: bigint; withHistory: boolean; claimed?: TurnInput | undefined }
}): Promise<TurnInput> {
  const { turnId, withHistory, claimed } = input
  if (claimed && !withHistory && !claimed.hasMore) return claimed
  const rows = await ctx.db.$queryRaw<Row[]>`
    SELECT t.state::text, t.session_epoch AS "sessionEpoch", a.user_id AS "userId", t.conversation,
      a.conversation AS current, a.conversation_since AS since, m.id AS "messageId", m.body, m.context, m.created_at AS "createdAt",
      m.channel::text, m.address, m.provider_order AS "providerOrder", m.provider_message_id AS "providerMessageId",
      EXISTS (SELECT FROM reactions r WHERE r.user_id = a.user_id AND (r.turn_id IS NULL OR r.turn_id = t.id)) AS "hasMore"
    FROM turns t JOIN assistants a ON a.id = t.assistant_id
    LEFT JOIN messages m ON m.turn_id = t.id AND m.direction = 'INBOUND'
    WHERE t.id = ${turnId}::uuid ORDER BY m.seq`
  const last = rows.at(-1)
  if (!last) throw notFound('No such turn.', 'turn_unknown')
  assertRunningUnder(last, input.sessionEpoch)
  const files = await filesOf(ctx, turnId)
  const messages = rows.flatMap(({ body, ...row }) => {
    const attachments = files.get(row.messageId) ?? []
    return body === null
      ? []
      : [{ ...row, body, attachments, hasMore: row.hasMore || attachments.length > 0 }]
  })
  const history = withHistory
    ? await ctx.db.message.findMany({
        where: {
          userId: last.userId,
          kind: 'CHAT',
          // By state, not by seq: the answer before is stored after messages that arrived while it was written.
          state: { notIn: ['REFUSED', 'RECEIVED'] },
          // What was said in another conversation is not this one's; what no turn said belongs to the newest.
          OR: [
            { turn: { conversation: last.conversation }, turnId: { not: turnId } },
            ...(last.conversation === last.current ? [saidByNoTurn(last.since)] : []),
          ],
        },
        orderBy: { seq: 'desc' },
        take: historyLength,
        include: { attachments: { orderBy: { position: 'asc' } } },
      })
    : []
  const read = toTurnInput(last.userId, messages)
  return {
    ...read,
    messages: await withReactions(ctx, turnId, read.messages),
    history: history.reverse().map((message) => {
      const fromAssistant = message.direction === 'OUTBOUND'
      return { fromAssistant, text: fromAssistant ? describeAnswer(message) : describeMessage(message) }
    }),
  }
}

/** What was withdrawn before anybody took it was not said. */
const saidByNoTurn = (since: bigint) => ({
  turnId: null,
  seq: { gt: since },
  OR: [{ code: null }, { code: { not: 'turn_canceled' } }],
})

async function filesOf(ctx: Ctx, turnId: string) {
  const files = await ctx.db.attachment.findMany({
    where: { message: { turnId, direction: 'INBOUND' } },
    orderBy: { position: 'asc' },
  })
  return Map.groupBy(files, ({ messageId }) => messageId ?? '')
}

/** They were given before the messages were written. */
async function withReactions(ctx: Ctx, turnId: string, messages: TurnInput['messages']) {
  const reactions = await ctx.db.reaction.findMany({ where: { turnId }, orderBy: { createdAt: 'asc' } })
  const [first, ...others] = messages
  if (!first || reactions.length === 0) return messages
  const told = reactions.map(({ text }) => text).join('\n')
  return [{ ...first, text: `${told}\n${first.text}` }, ...others]
}

/** Without history. `bySeq` = every message of the turn. */
export function toTurnInput(userId: string, bySeq: readonly TurnMessage[]): TurnInput {
  const newest = bySeq.at(-1)
  if (!newest) throw new Error('a running turn without messages')
  const messages = inConversationOrder(bySeq).map(({ body, context, attachments = [], createdAt }) => ({
    text: describeMessage({ body, context, attachments }),
    at: createdAt.getTime(),
  }))
  const hasMore = bySeq.some((message) => message.hasMore)
  const { channel, address, providerMessageId: replyTo } = newest
  return { messages, history: [], userId, channel, address, replyTo, hasMore }
}

type Ordered = Pick<TurnMessage, 'channel' | 'providerOrder'>

/** By commit; Telegram's own messages keep their places among the others but stand there by update_id (M4). */
export function inConversationOrder<T extends Ordered>(bySeq: readonly T[]): T[] {
  const isNumbered = (message: T) => message.channel === 'TELEGRAM' && message.providerOrder !== null
  const numbered = bySeq
    .filter(isNumbered)
    .sort((a, b) => Number((a.providerOrder ?? 0n) - (b.providerOrder ?? 0n)))
  let next = 0
  return bySeq.map((message) => (isNumbered(message) ? (numbered[next++] ?? message) : message))
}
