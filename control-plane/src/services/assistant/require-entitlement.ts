import type { Transaction } from '@yourclaw/db'
import { notEntitled } from '../../errors.ts'

/** Throws not_entitled unless the user may have an assistant now (I8). */
export async function requireEntitlement(tx: Transaction, userId: string, now: Date): Promise<void> {
  if (!(await isEntitled(tx, userId, now))) throw notEntitled()
}

/**
 * A live subscription: ACTIVE (trials are), or PAST_DUE within its grace. Whoever asked to be forgotten has none,
 * whatever a late event says. `userStanding` asks the same in SQL.
 */
export async function isEntitled(tx: Transaction, userId: string, now: Date): Promise<boolean> {
  const live = await tx.subscription.findFirst({
    where: {
      userId,
      user: { deletionRequestedAt: null },
      OR: [{ status: 'ACTIVE' }, { status: 'PAST_DUE', graceEnd: { gt: now } }],
    },
    select: { id: true },
  })
  return live !== null
}
