import { inTransaction, nudge } from '../../context.ts'
import type { RevokingCtx } from './ctx.ts'

/**
 * Lets Google revoke the tokens of a connection that is to end, then forgets them. Safe to repeat, and for two replicas
 * at once: Google takes a token that is over for one that is revoked. Errors: google_unavailable (503).
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
  if (sealed) await ctx.consent.revoke(await ctx.vault.open(sealed))
  await inTransaction(ctx, async (tx) => {
    // One that was refreshed meanwhile has another token: it is looked at again.
    const where = { id: row.id, refreshTokenEncrypted: row.refreshTokenEncrypted }
    const { count } = await tx.userIntegration.deleteMany({ where })
    if (count > 0) nudge(tx, 'user', row.userId)
  })
  return (await ctx.db.userIntegration.count({ where: input })) === 0
}

/** Goes on with the ends that Google has not confirmed. */
export async function sweepDisconnects({ ctx }: { ctx: RevokingCtx }): Promise<void> {
  const rows = await ctx.db.userIntegration.findMany({
    where: { disconnectRequestedAt: { not: null } },
    select: { id: true },
    take: 100,
  })
  for (const { id } of rows) await revokeAtGoogle({ ctx, input: { id } })
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
