import type { Ctx } from '../../context.ts'
import { type MessageView, shown, viewMessage } from './view-message.ts'

/** How far back a message still changes: it is answered, refused, sent, read. */
const windowLength = 20
const pageLength = 100

/**
 * What came after message `after`, oldest first, and before it the last messages up to it, which may have changed.
 * `isAll` is false when there is more.
 */
export async function readChanges({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; after: number }
}): Promise<{ messages: MessageView[]; isAll: boolean }> {
  const { userId, after } = input
  const rows = await ctx.db.message.findMany({
    where: { userId, seq: { gt: after - windowLength } },
    orderBy: { seq: 'asc' },
    take: windowLength + pageLength,
    include: shown,
  })
  return { messages: rows.map(viewMessage), isAll: rows.length < windowLength + pageLength }
}

/** The number of the newest message; 0 without one. */
export async function newestSeq({ ctx, input }: { ctx: Ctx; input: { userId: string } }): Promise<number> {
  const { userId } = input
  const newest = await ctx.db.message.findFirst({
    where: { userId },
    orderBy: { seq: 'desc' },
    select: { seq: true },
  })
  return Number(newest?.seq ?? 0)
}
