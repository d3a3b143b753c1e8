import type { Ctx } from '../../context.ts'

/** Revokes one bearer token until it would have expired anyway (I7); forgets those that have. Safe to repeat. */
export async function signOut({ ctx, input }: { ctx: Ctx; input: { jti: string; expiresAt: Date } }) {
  const { jti, expiresAt } = input
  await ctx.db.revokedToken.createMany({ data: { jti, expiresAt }, skipDuplicates: true })
  await ctx.db.revokedToken.deleteMany({ where: { expiresAt: { lt: new Date(ctx.clock.now()) } } })
}
