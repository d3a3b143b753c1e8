import { type Ctx, notification } from '../../context.ts'

/**
 * Revokes every token with this id, until the last of them would have expired anyway (I7); forgets those that have.
 * Safe to repeat.
 */
export async function signOut({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; jti: string; endsAt: Date }
}) {
  const { userId, jti, endsAt: expiresAt } = input
  await ctx.db.revokedToken.createMany({ data: { jti, expiresAt }, skipDuplicates: true })
  await ctx.db.revokedToken.deleteMany({ where: { expiresAt: { lt: new Date(ctx.clock.now()) } } })
  const actor = `user:${userId}`
  await ctx.db.auditEvent.create({ data: { actor, action: 'account.signed_out', subject: actor } })
  // What this session follows ends now.
  await ctx.db.$executeRaw(notification([`user:${userId}`]))
}
