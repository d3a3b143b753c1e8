import { type Delivery, Prisma } from '@yourclaw/db'
import type { Origin } from '../observability/deliveries.ts'
import type { ConversationCtx, StoredMessage } from '../services/conversation/ctx.ts'

export type DuePart = Pick<Delivery, 'id' | 'messageId' | 'address' | 'payload'>

type From = Omit<Origin, 'channel'>

export interface Due {
  origin: From
  /** What still has to go, in order. */
  parts: DuePart[]
}

interface Row extends Omit<DuePart, 'id'>, From {
  /** Null in the only row of a message of which nothing has to go. */
  id: string | null
}

/** What is due of each message: in one statement for many. */
export async function loadDue({
  ctx,
  messageIds,
}: {
  ctx: Pick<ConversationCtx, 'pool'>
  messageIds: string[]
}): Promise<Due[]> {
  const rows = await ctx.pool.query<Row>(Prisma.sql`
    SELECT m.id AS "messageId", m.trace_parent AS "traceParent", m.created_at AS "answeredAt",
      t.created_at AS "receivedAt", d.id, d.address, d.payload
    FROM messages m LEFT JOIN turns t ON t.id = m.turn_id
    LEFT JOIN deliveries d ON d.message_id = m.id AND d.state IN ('PENDING', 'DEAD')
    WHERE m.id = ANY(${messageIds}::uuid[]) ORDER BY m.id, d.part`)
  const byMessage = Map.groupBy(rows, ({ messageId }) => messageId)
  return messageIds.map((messageId) => {
    const [first, ...rest] = byMessage.get(messageId) ?? []
    if (!first) return { origin: nowhere, parts: [] }
    const { traceParent, answeredAt, receivedAt } = first
    const parts = [first, ...rest].flatMap(({ id, address, payload }) =>
      id === null ? [] : [{ id, messageId, address, payload }],
    )
    return { origin: { traceParent, answeredAt, receivedAt }, parts }
  })
}

/** The same of a message that was stored this moment. */
export const dueOf = ({ messageId, parts, ...origin }: StoredMessage): Due => ({
  origin,
  parts: parts.map(({ id, address, payload }) => ({ id, messageId, address, payload: { ...payload } })),
})

/** Of what belongs to no message, or to one that is gone. */
export const nowhere: From = { traceParent: null, answeredAt: null, receivedAt: null }
