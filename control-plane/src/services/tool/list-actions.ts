import type { Ctx } from '../../context.ts'

export interface ActionView {
  id: string
  tool: string
  /** What the person was shown, in Markdown. */
  summary: string
  state: 'ASKED' | 'APPROVED' | 'DONE' | 'FAILED' | 'REFUSED' | 'EXPIRED'
  at: string
  finishedAt?: string
  errorCode?: string
}

/** What the assistant did or wanted to do in the person's name, newest first, before `before` (an action's id). */
export async function listActions({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; before?: string | undefined; limit: number }
}): Promise<{ actions: ActionView[]; nextBefore?: string }> {
  const { userId, before, limit } = input
  // Ids are made in the order of time.
  const rows = await ctx.db.toolAction.findMany({
    where: { userId, ...(before !== undefined && { id: { lt: before } }) },
    orderBy: { id: 'desc' },
    take: limit + 1,
  })
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    actions: page.map(({ id, tool, summary, state, createdAt, finishedAt, errorCode }) => ({
      id,
      tool,
      summary,
      state,
      at: createdAt.toISOString(),
      ...(finishedAt && { finishedAt: finishedAt.toISOString() }),
      ...(errorCode !== null && { errorCode }),
    })),
    ...(rows.length > limit && last && { nextBefore: last.id }),
  }
}
