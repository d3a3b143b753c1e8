import type { Channel, Transaction } from '@yourclaw/db'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { liveAddresses } from '../conversation/live-addresses.ts'

/**
 * Where an assistant speaks first: the channel that its user chose, else where they wrote last; the web when neither can
 * be sent to, since what is said there waits.
 */
export async function whereToSpeak(
  tx: Transaction,
  ctx: ConversationCtx,
  user: { id: string; proactiveChannel: Channel | null },
): Promise<Recipient> {
  const web: Recipient = { channel: 'WEB', address: user.id }
  const phones = await liveAddresses(tx, ctx, user.id)
  if (user.proactiveChannel === 'WEB') return web
  const chosen = phones.find(({ channel }) => channel === user.proactiveChannel)
  if (chosen) return chosen
  const [last] = await tx.$queryRaw<{ channel: Channel }[]>`
    SELECT channel::text FROM messages WHERE user_id = ${user.id}::uuid AND direction = 'INBOUND'
    ORDER BY seq DESC LIMIT 1`
  return last?.channel === 'WEB' && ctx.settings.channels.includes('WEB') ? web : (phones[0] ?? web)
}
