import type { Channel, Transaction } from '@yourclaw/db'
import { findOwner } from './rows.ts'

/** The words of a message that a chat names by its own id, whoever wrote it; null for one that is not the owner's. */
export async function findInChat(
  tx: Transaction,
  input: { channel: Channel; address: string; chatMessageId: string },
): Promise<{ isOurs: boolean; body: string } | null> {
  const { channel, address, chatMessageId } = input
  const userId = await findOwner(tx, input)
  if (userId === null) return null
  const own = { userId, channel, address }
  const part = await tx.delivery.findFirst({
    where: { ...own, providerMessageId: chatMessageId },
    select: { message: { select: { body: true } } },
  })
  if (part) return { isOurs: true, body: part.message.body }
  const where = channel === 'TELEGRAM' ? { chatMessageId } : { providerMessageId: chatMessageId }
  const written = await tx.message.findFirst({
    where: { ...own, direction: 'INBOUND', ...where },
    orderBy: { seq: 'desc' },
    select: { body: true },
  })
  return written && { isOurs: false, body: written.body }
}
