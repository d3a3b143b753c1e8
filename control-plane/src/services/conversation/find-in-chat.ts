import type { Channel, Transaction } from '@yourclaw/db'
import { findOwner } from './rows.ts'

export interface Found {
  isOurs: boolean
  /** Our own words, or what was said to us: no part of the conversation (M8). */
  isNotice: boolean
  /** It asks the person something. */
  isQuestion: boolean
  body: string
}

/** The words of a message that a chat names by its own id, whoever wrote it; null for one that is not the owner's. */
export async function findInChat(
  tx: Transaction,
  input: { channel: Channel; address: string; chatMessageId: string },
): Promise<Found | null> {
  const { channel, address, chatMessageId } = input
  const userId = await findOwner(tx, input)
  if (userId === null) return null
  const own = { userId, channel, address }
  const part = await tx.delivery.findFirst({
    where: { ...own, providerMessageId: chatMessageId },
    select: { message: { select: { body: true, kind: true, question: { select: { id: true } } } } },
  })
  if (part) {
    const { body, kind, question } = part.message
    return { isOurs: true, isNotice: kind === 'NOTICE', isQuestion: question !== null, body }
  }
  const where = channel === 'TELEGRAM' ? { chatMessageId } : { providerMessageId: chatMessageId }
  const written = await tx.message.findFirst({
    where: { ...own, direction: 'INBOUND', ...where },
    orderBy: { seq: 'desc' },
    select: { body: true, kind: true },
  })
  if (!written) return null
  return { isOurs: false, isNotice: written.kind === 'NOTICE', isQuestion: false, body: written.body }
}
