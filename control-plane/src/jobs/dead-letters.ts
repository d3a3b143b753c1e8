import type { Database, Transaction } from '@yourclaw/db'
import { fromPrisma, type PgBoss } from 'pg-boss'
import { twilioMeaning } from '../channels/twilio-errors.ts'
import { inTransaction } from '../context.ts'
import type { Outbox, Recipient } from '../services/conversation/ctx.ts'
import { deliveryJobSchema } from './deliver.ts'
import { createOutbox, deadDeliveryQueue } from './deliveries.ts'

/** A message, or a bare text, that was given up. Says nothing of what is in it (S8). */
export interface DeadLetter {
  id: string
  channel: string
  /** Absent for a text to somebody who is no user, and for a job that cannot be read. */
  messageId?: string
  diedAt: Date
  /** Why its last part was not taken. */
  code?: string
  /** What that code means, where it is one of Twilio's. */
  meaning?: string
}

interface DeadLetterDeps {
  db: Database
  boss: PgBoss
}

/** The oldest first, at most a thousand. */
export async function listDeadLetters({ db, boss }: DeadLetterDeps): Promise<DeadLetter[]> {
  const jobs = await boss.findJobs<unknown>(deadDeliveryQueue, { queued: true })
  return Promise.all(
    jobs.map(async ({ id, data, createdOn }) => {
      const job = deliveryJobSchema.safeParse(data).data
      const letter = { id, channel: job?.channel ?? 'unreadable', diedAt: createdOn }
      if (job === undefined || !('messageId' in job)) return letter
      const { messageId } = job
      const part = await db.delivery.findFirst({
        where: { messageId, state: 'DEAD' },
        select: { lastErrorCode: true },
      })
      if (!part?.lastErrorCode) return { ...letter, messageId }
      const code = part.lastErrorCode
      const meaning = twilioMeaning(code)
      return { ...letter, messageId, code, ...(meaning !== undefined && { meaning }) }
    }),
  )
}

/** Puts one back into its recipient's line, behind what waits there; false when there is none that can be read. */
export function resendDeadLetter(
  { db, boss }: DeadLetterDeps,
  { id, actor }: { id: string; actor: string },
): Promise<boolean> {
  const outbox = createOutbox(boss)
  return inTransaction({ db }, async (tx) => {
    const within = { db: fromPrisma(tx) }
    // Of two operators who do it at once, the second one finds nothing.
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext(${id}))`
    const [job] = await boss.findJobs<unknown>(deadDeliveryQueue, { id, ...within })
    const { data } = deliveryJobSchema.safeParse(job?.data)
    if (data === undefined) return false
    await boss.deleteJob(deadDeliveryQueue, id, within)
    if ('messageId' in data) await resendIn(tx, outbox, data, data.messageId)
    else if ('payload' in data) await outbox.enqueueText(tx, data, data.payload)
    else await outbox.enqueueClose(tx, data, data.closes)
    const subject = `dead_letter:${id}`
    await tx.auditEvent.create({ data: { actor, action: 'dead_letter.resent', subject } })
    return true
  })
}

/** It begins anew: what failed before counts no more. */
async function resendIn(tx: Transaction, outbox: Outbox, to: Recipient, messageId: string): Promise<void> {
  await tx.delivery.updateMany({ where: { messageId, state: 'DEAD' }, data: { failures: 0, waits: 0 } })
  await outbox.enqueueMessage(tx, to, messageId)
}
