import type { Transaction } from '@yourclaw/db'
import { addressHash } from '../conversation/rows.ts'

/** Free text may be sent this long after somebody last wrote on WhatsApp; a minute is left for the way there. */
const windowMs = (24 * 60 - 1) * 60_000

export interface Contact {
  lastInboundAt: Date | null
  windowClosedAt: Date | null
  optedOutAt: Date | null
}

interface Address {
  channel: string
  address: string
}

/** Reads what may be sent to an address and keeps it so until commit; made when it is not there yet. */
export async function lockContact(tx: Transaction, to: Address): Promise<Contact> {
  const hash = addressHash(to)
  await tx.$executeRaw`INSERT INTO channel_contacts (address_hash) VALUES (${hash}) ON CONFLICT DO NOTHING`
  const rows = await tx.$queryRaw<Contact[]>`
    SELECT last_inbound_at AS "lastInboundAt", window_closed_at AS "windowClosedAt", opted_out_at AS "optedOutAt"
    FROM channel_contacts WHERE address_hash = ${hash} FOR UPDATE`
  return rows[0] ?? { lastInboundAt: null, windowClosedAt: null, optedOutAt: null }
}

/** Only under the lock. */
export async function updateContact(tx: Transaction, to: Address, data: Partial<Contact>): Promise<void> {
  await tx.channelContact.update({ where: { addressHash: addressHash(to) }, data })
}

/** Closed when nobody ever wrote, when it was a day ago, and when the provider said so since. */
export function isWindowOpen({ lastInboundAt, windowClosedAt }: Contact, now: Date): boolean {
  if (!lastInboundAt || now.getTime() - lastInboundAt.getTime() >= windowMs) return false
  return windowClosedAt === null || windowClosedAt < lastInboundAt
}

/** When the person behind an address wrote STOP; null = did not, or came back. Only WhatsApp has that. */
export async function optedOutAt(tx: Pick<Transaction, 'channelContact'>, to: Address): Promise<Date | null> {
  if (to.channel !== 'WHATSAPP') return null
  const contact = await tx.channelContact.findUnique({ where: { addressHash: addressHash(to) } })
  return contact?.optedOutAt ?? null
}

export const hasOptedOut = async (tx: Transaction, to: Address) => (await optedOutAt(tx, to)) !== null
