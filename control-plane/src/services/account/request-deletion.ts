import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { invalidInput } from '../../errors.ts'

/**
 * The end of an account begins: from here on nobody is let in, no chat is theirs, and eraseAccount does the rest. The
 * person types the address, so that it is no slip. Safe to repeat. Errors: email_mismatch.
 */
export function requestDeletion({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; email: string }
}): Promise<void> {
  const { userId } = input
  return inTransaction(ctx, async (tx) => {
    const [user] = await tx.$queryRaw<{ email: string; requested: boolean }[]>`
      SELECT email, deletion_requested_at IS NOT NULL AS requested FROM users WHERE id = ${userId}::uuid FOR UPDATE`
    if (user === undefined || user.requested) return
    if (input.email.trim().toLowerCase() !== user.email)
      throw invalidInput('That is not the email address of this account.', 'email_mismatch')
    const now = new Date(ctx.clock.now())
    await tx.user.update({ where: { id: userId }, data: { deletionRequestedAt: now } })
    await tx.bindCode.deleteMany({ where: { userId } })
    await tx.userPhone.updateMany({ where: { userId, unboundAt: null }, data: { unboundAt: now } })
    const actor = `user:${userId}`
    await tx.auditEvent.create({ data: { actor, action: 'account.deletion_requested', subject: actor } })
    nudge(tx, 'erasures', '')
    nudge(tx, 'user', userId)
  })
}
