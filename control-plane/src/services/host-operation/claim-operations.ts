import type { OperationKind } from '@yourclaw/db'
import { type Ctx, inTransaction } from '../../context.ts'
import { requireEpoch } from '../host/host-session.ts'

export interface ClaimedOperation {
  operationId: string
  assistantId: string
  kind: OperationKind
  deadlineAt: Date
}

/**
 * Takes at most `limit` of a host's operations for its newest session, whose epoch is the lease: those that wait, and
 * those of a session that is gone. Throws stale_epoch.
 */
export function claimOperations({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { hostId: string; sessionEpoch: bigint; limit: number }
}): Promise<ClaimedOperation[]> {
  const { hostId, sessionEpoch, limit } = input
  return inTransaction(ctx, async (tx) => {
    await requireEpoch(tx, hostId, sessionEpoch)
    return tx.$queryRaw<ClaimedOperation[]>`
      UPDATE host_operations SET state = 'RUNNING', session_epoch = ${sessionEpoch}
      WHERE id IN (
        SELECT id FROM host_operations
        WHERE host_server_id = ${hostId}::uuid AND finished_at IS NULL
          AND deadline_at > ${new Date(ctx.clock.now())}
          AND (state = 'PENDING' OR session_epoch <> ${sessionEpoch})
        ORDER BY created_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)
      RETURNING id AS "operationId", assistant_id AS "assistantId", kind::text, deadline_at AS "deadlineAt"`
  })
}
