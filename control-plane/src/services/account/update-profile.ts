import type { Ctx } from '../../context.ts'
import { sanitize } from '../conversation/sanitize.ts'
import { readProfile } from './read-profile.ts'

/** Changes what is given and returns the profile. */
export async function updateProfile({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; name?: string | undefined; timeZone?: string | undefined }
}) {
  const { userId, name, timeZone } = input
  const data = {
    ...(name === undefined ? {} : { name: sanitize(name) }),
    ...(timeZone === undefined ? {} : { timeZone }),
  }
  await ctx.db.user.update({ where: { id: userId }, data })
  return readProfile({ ctx, input: { userId } })
}
