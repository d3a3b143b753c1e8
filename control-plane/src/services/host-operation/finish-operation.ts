import { type Ctx, inTransaction } from '../../context.ts'
import { staleEpoch } from '../../errors.ts'
import { requireEpoch } from '../host/host-session.ts'

/** What came of an operation: bytes in the store, or a stable code. */
export type OperationResult = { sizeBytes: bigint } | { errorCode: string }

/** Ends an operation for the session that runs it. Throws stale_epoch for any other, and for one that has ended. */
export function finishOperation({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { operationId: string; hostId: string; sessionEpoch: bigint; result: OperationResult }
}): Promise<void> {
  const { operationId, hostId, sessionEpoch, result } = input
  return inTransaction(ctx, async (tx) => {
    await requireEpoch(tx, hostId, sessionEpoch)
    const state = 'sizeBytes' in result ? 'DONE' : 'FAILED'
    const { count } = await tx.hostOperation.updateMany({
      where: { id: operationId, hostServerId: hostId, sessionEpoch, finishedAt: null },
      data: { ...result, state, finishedAt: new Date(ctx.clock.now()) },
    })
    if (count === 0) throw staleEpoch()
  })
}
