import { Prisma } from '@yourclaw/db'
import { type Ctx, inTransaction } from '../../context.ts'
import { nudgeAbout } from './record-change.ts'
import { isPlacing, takeSlot } from './take-slot.ts'

export interface Placement {
  /** How many. */
  placed: number
  /** Somebody else was placing, or held the lock of one that waits: there may be a place for it a moment later. */
  passedOver: boolean
}

/** Places assistants that waited for a free slot, oldest first, until none waits or none is free. */
export async function placeWaiting({ ctx }: { ctx: Ctx }): Promise<Placement> {
  for (let placed = 0; ; placed++) {
    const outcome = await placeOne(ctx)
    if (outcome !== 'placed') return { placed, passedOver: outcome === 'passed_over' }
  }
}

/** Which rows of assistants wait for a slot. */
export const isWaiting = Prisma.sql`(desired::text = 'PRESENT' AND status::text = 'PROVISIONING' AND host_server_id IS NULL
  AND suspended_at IS NULL)`

/**
 * Only while nobody else places: who found no host with room may not have committed yet that one waits, and whoever looks
 * later finds the host that we were called for. No lock is waited for, so that no session does because of others (F8).
 */
const placeOne = (ctx: Ctx) =>
  inTransaction(ctx, async (tx): Promise<'placed' | 'passed_over' | 'none'> => {
    if (await isPlacing(tx)) return 'passed_over'
    const [waiting] = await tx.$queryRaw<{ id: string }[]>`
      SELECT id FROM assistants WHERE ${isWaiting} ORDER BY updated_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED`
    if (!waiting) {
      const [passedOver] = await tx.$queryRaw<unknown[]>`SELECT 1 FROM assistants WHERE ${isWaiting} LIMIT 1`
      return passedOver ? 'passed_over' : 'none'
    }
    const hostServerId = await takeSlot(tx, new Date(ctx.clock.now()))
    if (!hostServerId) return 'none'
    const assistant = await tx.assistant.update({ where: { id: waiting.id }, data: { hostServerId } })
    const generation = { assistantId: assistant.id, generation: assistant.desiredGeneration }
    await tx.changeLog.updateMany({ where: generation, data: { hostServerId } })
    await tx.provisioningJob.updateMany({ where: generation, data: { step: 'placed' } })
    await nudgeAbout(tx, assistant)
    return 'placed'
  })
