import type { Ctx } from '../../context.ts'
import { searchMessages } from './search-messages.ts'
import { shown, viewMessage } from './view-message.ts'

/**
 * One page of the conversation, newest first; `before` is the `nextBefore` of the page after it. With `query` only
 * messages that hold it as they are read, in whatever case: such a page may be short, or empty, and still have a next
 * one.
 */
export async function listMessages({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; before?: bigint | undefined; query?: string | undefined; limit: number }
}) {
  const { userId, before, query, limit } = input
  const search = query === undefined ? undefined : await searchMessages(ctx, { ...input, query })
  const rows = await ctx.db.message.findMany({
    where: {
      userId,
      ...(before !== undefined && { seq: { lt: before } }),
      ...(search && { id: { in: [...search.places.keys()] } }),
    },
    orderBy: { seq: 'desc' },
    take: limit + 1,
    include: shown,
  })
  const page = rows.slice(0, limit)
  const nextBefore = rows.length > page.length ? page.at(-1)?.seq : search?.goesOnBefore
  return {
    messages: page.map((row) => {
      const found = search?.places.get(row.id)
      return { ...viewMessage(row), ...(found && { found }) }
    }),
    ...(nextBefore !== undefined && { nextBefore: String(nextBefore) }),
  }
}
