import type { Transaction } from '@yourclaw/db'
import { notEntitled } from '../../errors.ts'

/**
 * Throws not_entitled unless the user has a live subscription: ACTIVE (trials are), or PAST_DUE within its grace.
 * Whoever asked to be forgotten has none, whatever a late event says.
 */
export async function requireEntitlement(tx: Transaction, userId: string, now: Date): Promise<void> {
  const live = await tx.subscription.findFirst({
    where: {
      userId,
      user: { deletionRequestedAt: null },
      OR: [{ status: 'ACTIVE' }, { status: 'PAST_DUE', graceEnd: { gt: now } }],
    },
    select: { id: true },
  })
  if (!live) throw notEntitled()
}
