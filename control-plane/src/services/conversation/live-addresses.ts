import type { Transaction } from '@yourclaw/db'
import { hasOptedOut } from '../channel/contact.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'

/**
 * Where something can be sent to a user, the address they wrote from last first. Only where they still are, as a chat
 * that was disconnected may be another person's by now.
 */
export async function liveAddresses(
  tx: Transaction,
  ctx: ConversationCtx,
  userId: string,
): Promise<Recipient[]> {
  const bindings = await tx.$queryRaw<Recipient[]>`
    SELECT p.channel, p.address FROM user_phones p
    WHERE p.user_id = ${userId}::uuid AND p.unbound_at IS NULL
    ORDER BY (SELECT max(m.seq) FROM messages m WHERE m.user_id = p.user_id AND m.direction = 'INBOUND'
      AND m.channel = p.channel AND m.address = p.address) DESC NULLS LAST, p.bound_at DESC`
  const live: Recipient[] = []
  for (const to of bindings) {
    if (ctx.settings.channels.includes(to.channel) && !(await hasOptedOut(tx, to))) live.push(to)
  }
  return live
}
