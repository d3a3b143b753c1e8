import { type PoolTransaction, Prisma } from '@yourclaw/db'
import { type ClaimedRow, claim, isClaimable, type TurnWithInput, toClaimed } from './claim.ts'
import type { ConversationCtx } from './ctx.ts'

export interface ClaimInput {
  hostId: string
  sessionEpoch: bigint
  /** Most turns to take. */
  limit: number
}

export interface Claimed {
  turns: TurnWithInput[]
  /** Somebody else held an assistant's lock: its turn is there to be claimed a moment later. */
  passedOver: boolean
}

/**
 * Takes pending turns of a host's ready assistants and the messages they answer (M4), which come with them. An old
 * session gets none.
 */
export async function claimTurns({
  ctx,
  input,
}: {
  ctx: Pick<ConversationCtx, 'pool' | 'clock'>
  input: ClaimInput
}): Promise<Claimed> {
  return ctx.pool.transaction(async (tx) => {
    const now = new Date(ctx.clock.now())
    const { waiting, locked } = await lockClaimable(tx, input, now)
    if (locked.length === 0) return { turns: [], passedOver: waiting > 0 }
    // Asked again now that the locks are held: much may have changed between the look and the lock.
    const rows = await tx.last<ClaimedRow>(claim(input, Prisma.sql`t.id = ANY(${locked}::uuid[])`, now))
    return { turns: toClaimed(rows), passedOver: locked.length < waiting }
  })
}

async function lockClaimable(tx: PoolTransaction, { hostId, limit }: ClaimInput, now: Date) {
  const [found] = await tx.query<{ waiting: number; locked: string[] }>(Prisma.sql`
    WITH waiting AS MATERIALIZED (
      SELECT t.id FROM turns t JOIN assistants a ON a.id = t.assistant_id
      WHERE ${isClaimable(hostId, now)} ORDER BY t.created_at LIMIT ${limit}::int
    ), locked AS (
      SELECT t.id FROM turns t JOIN assistants a ON a.id = t.assistant_id
      WHERE t.id IN (SELECT id FROM waiting) FOR UPDATE OF a, t SKIP LOCKED
    )
    SELECT (SELECT count(*)::int FROM waiting) AS waiting, ARRAY(SELECT id FROM locked) AS locked`)
  return found ?? { waiting: 0, locked: [] }
}
