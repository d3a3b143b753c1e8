import type { Ctx } from '../../context.ts'
import { invalidInput } from '../../errors.ts'
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
  if (timeZone !== undefined) await requireTimeZone(ctx, timeZone)
  const data = {
    ...(name === undefined ? {} : { name: sanitize(name) }),
    ...(timeZone === undefined ? {} : { timeZone }),
  }
  await ctx.db.user.update({ where: { id: userId }, data })
  return readProfile({ ctx, input: { userId } })
}

/** The database counts a user's days, so it is the one that must know the name. */
async function requireTimeZone(ctx: Ctx, name: string): Promise<void> {
  const known = await ctx.db.$queryRaw<unknown[]>`SELECT 1 FROM pg_timezone_names WHERE name = ${name}`
  if (known.length === 0) throw invalidInput('timeZone: is not a known IANA time zone')
}
