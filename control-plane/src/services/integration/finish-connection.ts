import { inTransaction } from '../../context.ts'
import { forbidden } from '../../errors.ts'
import type { Attempt } from '../../lib/google.ts'
import { applyTools } from './apply-tools.ts'
import type { IntegrationCtx } from './ctx.ts'
import { type GoogleService, googleServices } from './google-services.ts'
import { requireGoogle } from './require-google.ts'
import { callbackOf, disconnecting } from './start-connection.ts'

/**
 * Takes what Google answered: tokens are stored sealed, in the place of earlier ones, and the assistant gets its tools.
 * Errors: feature_off (404), consent_denied and consent_incomplete (403), sign_in_invalid (400), disconnecting (409),
 * google_unavailable (503).
 */
export async function finishConnection({
  ctx,
  input,
}: {
  ctx: IntegrationCtx
  input: { userId: string; service: GoogleService; query: string; attempt: Attempt }
}): Promise<void> {
  const { userId, service, query, attempt } = input
  requireGoogle(ctx)
  const redirectUri = callbackOf(ctx.settings.webUrl, service)
  const granted = await ctx.consent.finish({ redirectUri, query, attempt })
  const agreed = googleServices[service].scopes.filter((scope) => granted.scopes?.includes(scope))
  if (agreed.length === 0 || granted.refreshToken === undefined) {
    // Nothing that works may stay behind at Google, either.
    await ctx.consent.revoke(granted.refreshToken ?? granted.accessToken).catch(() => {})
    throw forbidden(
      'Google was not allowed to do anything of this. Connect again and tick the boxes.',
      'consent_incomplete',
    )
  }
  const data = {
    scopes: agreed,
    accountEmail: granted.email,
    accessTokenEncrypted: await ctx.vault.seal(granted.accessToken),
    refreshTokenEncrypted: await ctx.vault.seal(granted.refreshToken),
    expiresAt: new Date(granted.expiresAt),
    lostAt: null,
    createdAt: new Date(ctx.clock.now()),
  }
  await inTransaction(ctx, async (tx) => {
    // First: whoever changes what an assistant may do takes its lock before any other row's.
    await applyTools(tx, userId)
    const where = { userId_service: { userId, service } }
    const earlier = await tx.userIntegration.findUnique({ where })
    if (earlier?.disconnectRequestedAt) throw disconnecting()
    // The tokens of an earlier connection are forgotten, and not revoked: Google may take these along with them.
    await tx.userIntegration.upsert({ where, create: { userId, service, ...data }, update: data })
    await tx.auditEvent.create({
      data: {
        actor: `user:${userId}`,
        action: 'integration.connected',
        subject: `user:${userId}`,
        data: { service, scopes: agreed },
      },
    })
  })
}
