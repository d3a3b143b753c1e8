import { Prisma } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { dayMs } from '../../plan.ts'
import { removeOrphans } from '../../storage/remove-orphans.ts'
import type { Store } from '../../storage/store.ts'
import { removeAbandonedFolders } from '../../storage/working-folder.ts'
import { storedAttachment } from './attachment.ts'

const batchSize = 500

/**
 * Removes stored files whose time is over or whose message was refused, and uploads that no message took within a day.
 * What was not fetched by the end of its turn never is. What a message says of its file stays. Safe to repeat, and for two
 * replicas at once.
 */
export async function sweepFiles({ ctx, store }: { ctx: Ctx; store: Store }): Promise<void> {
  const { db } = ctx
  const now = new Date(ctx.clock.now())
  await db.attachment.updateMany({
    where: { state: 'WAITING', message: { state: { not: 'RECEIVED' } } },
    data: { state: 'EXPIRED', source: Prisma.DbNull },
  })
  const unsent = { messageId: null, createdAt: { lt: new Date(now.getTime() - dayMs) } }
  const over = await db.attachment.findMany({
    where: {
      OR: [
        { state: { not: 'EXPIRED' }, expiresAt: { lte: now } },
        { state: { not: 'EXPIRED' }, ...unsent },
        { state: 'EXPIRED', keyEncrypted: { not: null } },
      ],
    },
    select: { id: true, messageId: true },
    orderBy: { createdAt: 'asc' },
    take: batchSize,
  })
  const remove = async (id: string, messageId: string | null) => {
    await store.delete(storedAttachment(id))
    if (messageId === null) await db.attachment.deleteMany({ where: { id, messageId } })
    else await db.attachment.update({ where: { id }, data: { state: 'EXPIRED', keyEncrypted: null } })
  }
  // One that cannot be removed keeps none of the others.
  for (const { id, messageId } of over)
    await remove(id, messageId).catch((err: unknown) =>
      ctx.log.warn({ err }, 'a file could not be removed yet'),
    )
  // Answered or told by then.
  const toldBefore = new Date(now.getTime() - 7 * dayMs)
  await db.reaction.deleteMany({ where: { turnId: { not: null }, createdAt: { lt: toldBefore } } })
}

/** Removes what was left behind by somebody who died, or left, while it was written: of files of messages and all others. */
export async function sweepLostFiles({ ctx, store }: { ctx: Ctx; store: Store }): Promise<void> {
  const now = ctx.clock.now()
  await removeAbandonedFolders(now)
  await store.removeUnfinished(new Date(now - dayMs))
  const select = { id: true } as const
  await removeOrphans(store, 'attachments/', (ids) =>
    ctx.db.attachment.findMany({ where: { id: { in: ids } }, select }),
  )
}
