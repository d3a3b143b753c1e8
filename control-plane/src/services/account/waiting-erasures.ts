import type { Ctx } from '../../context.ts'

/** Who asked to be forgotten and still is there, the oldest first. */
export async function waitingErasures({ ctx }: { ctx: Ctx }): Promise<{ userId: string; since: Date }[]> {
  const users = await ctx.db.user.findMany({
    where: { deletionRequestedAt: { not: null } },
    select: { id: true, deletionRequestedAt: true },
    orderBy: { deletionRequestedAt: 'asc' },
    take: 500,
  })
  return users.map(({ id, deletionRequestedAt }) => ({
    userId: id,
    since: deletionRequestedAt ?? new Date(0),
  }))
}
