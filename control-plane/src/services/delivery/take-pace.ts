import type { Ctx } from '../../context.ts'
import type { Recipient } from '../conversation/ctx.ts'
import { addressHash } from '../conversation/rows.ts'

/** WhatsApp takes about one message in six seconds for each person, after a burst (error 63018). */
const eachMs = 6_000
const burst = 20

/**
 * Takes the place of one more part to an address, for all replicas together. Resolves with how long to wait instead, in
 * milliseconds, until as many as `parts` may follow each other, as far as a burst goes; 0 = it was taken.
 */
export async function takePace({
  ctx,
  input,
}: {
  ctx: Pick<Ctx, 'db' | 'clock'>
  input: { to: Recipient; parts: number }
}): Promise<number> {
  const hash = addressHash(input.to)
  const nowMs = ctx.clock.now()
  const now = new Date(nowMs)
  const taken = await ctx.db.$executeRaw`
    UPDATE channel_contacts
    SET paced_until = greatest(coalesce(paced_until, ${now}), ${now}) + ${eachMs}::int * interval '1 millisecond'
    WHERE address_hash = ${hash}
      AND (paced_until IS NULL OR paced_until <= ${new Date(nowMs + (burst - 1) * eachMs)})`
  if (taken === 1) return 0
  const contact = await ctx.db.channelContact.findUnique({ where: { addressHash: hash } })
  // Who has no row was never planned for: nothing is known that speaks against it.
  if (!contact?.pacedUntil) return 0
  const room = burst - Math.min(input.parts, burst)
  return Math.max(0, contact.pacedUntil.getTime() - nowMs - room * eachMs)
}
