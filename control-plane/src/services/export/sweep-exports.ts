import type { Ctx } from '../../context.ts'
import { dayMs, plan } from '../../plan.ts'
import { removeOrphans } from '../../storage/remove-orphans.ts'
import type { Store } from '../../storage/store.ts'
import { storedArchive } from '../host-operation/stored-archive.ts'
import { storedExport } from './stored-export.ts'

/** What a host handed over is needed while an export is made, and no longer. */
const archiveKeptMs = 2 * 3_600_000
/** Rows are what a person sees of earlier exports. */
const rowsKeptMs = plan.leftoverDays * dayMs

/**
 * Removes the files of exports that are over and of operations that are done, and whatever file no row names: of people
 * who left while one was being stored. Safe to repeat, and for two replicas at once.
 */
export async function sweepExports({ ctx, store }: { ctx: Ctx; store: Store }): Promise<void> {
  const { db } = ctx
  const now = new Date(ctx.clock.now())
  const over = await db.export.findMany({ where: { status: 'READY', expiresAt: { lte: now } } })
  for (const { id } of over) {
    await store.delete(storedExport(id))
    await db.export.update({ where: { id }, data: { status: 'EXPIRED' } })
  }
  await db.export.deleteMany({ where: { finishedAt: { lt: new Date(now.getTime() - rowsKeptMs) } } })
  const done = await db.hostOperation.findMany({
    where: { createdAt: { lt: new Date(now.getTime() - archiveKeptMs) } },
    select: { id: true },
  })
  for (const { id } of done) {
    await store.delete(storedArchive(id))
    await db.hostOperation.deleteMany({ where: { id } })
  }
  const select = { id: true } as const
  await removeOrphans(store, 'exports/', (ids) => db.export.findMany({ where: { id: { in: ids } }, select }))
  await removeOrphans(store, 'operations/', (ids) =>
    db.hostOperation.findMany({ where: { id: { in: ids } }, select }),
  )
}
