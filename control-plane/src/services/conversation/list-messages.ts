import type { Ctx } from '../../context.ts'
import { viewColumns, viewOf } from '../attachment/attachment.ts'

/** One page of the conversation, newest first; `before` is the `nextBefore` of the page after it. */
export async function listMessages({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; before?: bigint | undefined; limit: number }
}) {
  const rows = await ctx.db.message.findMany({
    where: { userId: input.userId, ...(input.before === undefined ? {} : { seq: { lt: input.before } }) },
    orderBy: { seq: 'desc' },
    take: input.limit + 1,
    include: { attachments: { orderBy: { position: 'asc' }, select: viewColumns } },
  })
  const page = rows.slice(0, input.limit)
  const oldest = page.at(-1)
  return {
    messages: page.map(({ id, direction, channel, body, createdAt, state, attachments }) => ({
      id,
      direction,
      channel,
      body,
      at: createdAt.toISOString(),
      state,
      attachments: attachments.map(viewOf),
    })),
    ...(rows.length > page.length && oldest !== undefined ? { nextBefore: String(oldest.seq) } : {}),
  }
}
