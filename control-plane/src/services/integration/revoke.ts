import { inTransaction, nudge } from '../../context.ts'
import type { RevokingCtx } from './ctx.ts'

/**
 * Ends a token at Google, unless something else lives on the same account's consent: Google ends all that an account
 * agreed to with us at once. Then it is only forgotten. Errors: google_unavailable (503).
 */
export async function revokeAlone(
  ctx: RevokingCtx,
  { token, accountSubject, except }: { token: string; accountSubject: string; except?: string },
): Promise<void> {
  const others = await ctx.db.userIntegration.count({
    where: {
      accountSubject,
      disconnectRequestedAt: null,
      lostAt: null,
      ...(except !== undefined && { id: { not: except } }),
    },
  })
  if (others === 0) await ctx.consent.revoke(token)
}

/**
 * Takes a connection that is to end back from Google, then forgets it. Safe to repeat, and for two replicas at once:
 * Google takes a token that is over for one that is revoked. Errors: google_unavailable (503).
 */
export async function revokeAtGoogle({
  ctx,
  input,
}: {
  ctx: RevokingCtx
  input: { id: string }
}): Promise<boolean> {
  const row = await ctx.db.userIntegration.findUnique({ where: input })
  if (!row) return true
  // The refresh token takes the access tokens with it.
  const sealed = row.refreshTokenEncrypted ?? row.accessTokenEncrypted
  if (sealed) {
    const { accountSubject, id } = row
    await revokeAlone(ctx, { token: await ctx.vault.open(sealed), accountSubject, except: id })
  }
  await inTransaction(ctx, async (tx) => {
    // One that was refreshed meanwhile has another token: it is looked at again.
    const where = { id: row.id, refreshTokenEncrypted: row.refreshTokenEncrypted }
    const { count } = await tx.userIntegration.deleteMany({ where })
    if (count > 0) nudge(tx, 'user', row.userId)
  })
  return (await ctx.db.userIntegration.count({ where: input })) === 0
}

/** Goes on with the ends that Google has not confirmed; one that cannot be keeps none of the others. */
export async function sweepDisconnects({ ctx }: { ctx: RevokingCtx }): Promise<void> {
  const rows = await ctx.db.userIntegration.findMany({
    where: { disconnectRequestedAt: { not: null } },
    orderBy: { disconnectRequestedAt: 'asc' },
    select: { id: true },
    take: 100,
  })
  for (const { id } of rows)
    await revokeAtGoogle({ ctx, input: { id } }).catch((err: unknown) =>
      ctx.log.warn({ err }, 'a connection could not be revoked yet'),
    )
}

/** Ends everything that a person who leaves has connected. Errors: google_unavailable (503); again later. */
export async function endConnections({
  ctx,
  input,
}: {
  ctx: RevokingCtx
  input: { userId: string }
}): Promise<void> {
  const disconnectRequestedAt = new Date(ctx.clock.now())
  await ctx.db.userIntegration.updateMany({
    where: { ...input, disconnectRequestedAt: null },
    data: { disconnectRequestedAt },
  })
  const rows = await ctx.db.userIntegration.findMany({ where: input, select: { id: true } })
  for (const { id } of rows) await revokeAtGoogle({ ctx, input: { id } })
}
