import { Prisma } from '@yourclaw/db'
import type { PgBoss } from 'pg-boss'
import type { ConversationCtx } from '../services/conversation/ctx.ts'

/** A part that its provider took, by a provider of which nothing more is ever heard. */
export interface SentPart {
  deliveryId: string
  providerMessageId: string
  sentAt: Date
  /** With the last part of a message: its job, which is done. */
  job?: { id: string; retryCount: number } | undefined
}

/**
 * Notes what was sent: parts are SENT, and so are their messages when nothing of them is left; jobs are completed. All
 * in one transaction for many.
 */
export async function settleSent(deps: {
  ctx: Pick<ConversationCtx, 'pool'>
  boss: PgBoss
  queue: string
  parts: SentPart[]
}): Promise<void> {
  const { ctx, boss, queue, parts } = deps
  const jobs = parts.flatMap(({ job }) => job ?? [])
  await ctx.pool.transaction(async (tx) => {
    const noted = tx.query(Prisma.sql`
      WITH sent AS (
        UPDATE deliveries d SET state = 'SENT', provider_message_id = i."providerMessageId", sent_at = i."sentAt",
          attempts = d.attempts + 1
        FROM json_to_recordset(${JSON.stringify(parts)}::json)
          AS i ("deliveryId" uuid, "providerMessageId" text, "sentAt" timestamptz)
        WHERE d.id = i."deliveryId" RETURNING d.id, d.message_id
      )
      UPDATE messages m SET state = 'SENT'
      -- FAILED too: a dead letter that an operator sent again.
      WHERE m.id = ANY(ARRAY(SELECT message_id FROM sent)) AND m.state IN ('PENDING', 'FAILED')
        -- OFFSET 0 keeps PostgreSQL from looking through all that is pending, rather than at the message's parts.
        AND NOT EXISTS (SELECT FROM (SELECT id, state FROM deliveries WHERE message_id = m.id OFFSET 0) AS part
          WHERE part.state IN ('PENDING', 'DEAD') AND part.id <> ALL(ARRAY(SELECT id FROM sent)))`)
    const completed = jobs.length > 0 ? boss.complete(queue, jobs, null, { db: tx }) : undefined
    await Promise.all([noted, completed])
  })
}
