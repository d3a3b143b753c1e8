import type { Transaction } from '@yourclaw/db'

/**
 * Ends what is left of a message: the parts that wait, and the one that failed. Its message first, as everyone does
 * who takes both locks.
 */
export async function dropIn(
  tx: Transaction,
  input: { messageId: string; code: string; failedDeliveryId?: string },
): Promise<void> {
  const { messageId, code, failedDeliveryId } = input
  await tx.message.updateMany({
    where: { id: messageId, state: { in: ['PENDING', 'SENT'] } },
    data: { state: 'FAILED' },
  })
  const failed = failedDeliveryId === undefined ? [] : [{ id: failedDeliveryId }]
  await tx.delivery.updateMany({
    where: { messageId, OR: [{ state: 'PENDING' }, ...failed] },
    data: { state: 'DEAD', heldAt: null, lastErrorCode: code },
  })
}
