import type { Ctx } from '../../context.ts'

/** False once a bearer whose signature was checked has run out or was signed out (I7). */
export async function isBearerValid({
  ctx,
  input: { jti, expiresAt },
}: {
  ctx: Ctx
  input: { jti: string; expiresAt: Date }
}): Promise<boolean> {
  if (expiresAt.getTime() <= ctx.clock.now()) return false
  return (await ctx.db.revokedToken.findUnique({ where: { jti } })) === null
}
