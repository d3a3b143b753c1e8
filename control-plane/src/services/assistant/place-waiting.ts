import { type Ctx, inTransaction } from '../../context.ts'
import { nudgeAbout } from './record-change.ts'
import { takeSlot } from './take-slot.ts'

/** Places assistants that waited for a free slot, oldest first, until none waits or none is free. Answers how many. */
export async function placeWaiting({ ctx }: { ctx: Ctx }): Promise<number> {
  for (let placed = 0; ; placed++) {
    if (!(await placeOne(ctx))) return placed
  }
}

/** Locks the assistant before the host, as every other change does. */
const placeOne = (ctx: Ctx) =>
  inTransaction(ctx, async (tx) => {
    const [waiting] = await tx.$queryRaw<{ id: string }[]>`
      SELECT id FROM assistants
      WHERE desired::text = 'PRESENT' AND status::text = 'PROVISIONING' AND host_server_id IS NULL
        AND suspended_at IS NULL
      ORDER BY updated_at LIMIT 1
      FOR NO KEY UPDATE SKIP LOCKED`
    if (!waiting) return false
    const hostServerId = await takeSlot(tx, new Date(ctx.clock.now()))
    if (!hostServerId) return false
    const assistant = await tx.assistant.update({ where: { id: waiting.id }, data: { hostServerId } })
    const generation = { assistantId: assistant.id, generation: assistant.desiredGeneration }
    await tx.changeLog.updateMany({ where: generation, data: { hostServerId } })
    await tx.provisioningJob.updateMany({ where: generation, data: { step: 'placed' } })
    await nudgeAbout(tx, assistant)
    return true
  })
