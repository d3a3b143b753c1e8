import type { Transaction } from '@yourclaw/db'
import { nudge } from '../../context.ts'

/** Once the transaction commits, the person's host is told what may be spent now. Only within `inTransaction`. */
export async function refreshAllowance(tx: Transaction, userId: string): Promise<void> {
  const assistant = await tx.assistant.findUnique({ where: { userId }, select: { hostServerId: true } })
  if (assistant?.hostServerId) nudge(tx, 'changes', assistant.hostServerId)
}
