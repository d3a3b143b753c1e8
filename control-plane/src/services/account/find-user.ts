import type { Ctx } from '../../context.ts'
import { accountBeingDeleted } from './account-being-deleted.ts'

/** The user with this id, or null. Throws account_being_deleted for one who asked to be forgotten. */
export async function findUser({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string }
}): Promise<{ id: string } | null> {
  const user = await ctx.db.user.findUnique({
    where: { id: input.userId },
    select: { id: true, deletionRequestedAt: true },
  })
  if (user === null) return null
  if (user.deletionRequestedAt !== null) throw accountBeingDeleted()
  return { id: user.id }
}
