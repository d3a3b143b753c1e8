import { type Ctx, inTransaction } from '../../context.ts'
import { ensureUser } from './ensure-user.ts'

/**
 * The user behind an identity that was verified elsewhere. On first sight it is linked to the user with this address,
 * which must be verified too, or to a new one; from then on it stays theirs, whatever address it names.
 */
export async function identifyUser({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { issuer: string; subject: string; email: string }
}): Promise<{ id: string }> {
  const { issuer, subject, email } = input
  const where = { issuer_subject: { issuer, subject } }
  const known = await ctx.db.userIdentity.findUnique({ where })
  if (known !== null) return { id: known.userId }
  return inTransaction(ctx, async (tx) => {
    // One page sends several first requests at once: the second waits and finds what the first made.
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${email}, 0))`
    const { id } = await ensureUser(tx, { email, name: '' })
    const identity = { issuer, subject, userId: id }
    const { userId } = await tx.userIdentity.upsert({ where, update: {}, create: identity })
    return { id: userId }
  })
}
