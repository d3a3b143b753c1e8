import type { Transaction } from '@yourclaw/db'
import { refreshAllowance } from './refresh-allowance.ts'

/** Why an entry of the ledger exists. Debits of model calls are `usage`. */
export type CreditReason = 'grant' | 'top_up' | 'refund' | 'correction'

/**
 * Writes one entry of the ledger, in micro-dollars; a negative amount takes credit away. At most one entry exists for a
 * reason and reference of a person: saying it again changes nothing. Answers whether it is new.
 */
export async function grantCredit({
  tx,
  userId,
  amountMicros,
  reason,
  reference,
}: {
  /** Of `inTransaction`: the person's host hears of it with the commit. */
  tx: Transaction
  userId: string
  amountMicros: bigint
  reason: CreditReason
  reference: string
}): Promise<{ isNew: boolean }> {
  const { count } = await tx.creditEntry.createMany({
    data: [{ userId, amountMicros, reason, reference }],
    skipDuplicates: true,
  })
  if (count === 0) return { isNew: false }
  await refreshAllowance(tx, userId)
  return { isNew: true }
}
