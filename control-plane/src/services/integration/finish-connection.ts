import { inTransaction } from '../../context.ts'
import { forbidden } from '../../errors.ts'
import type { Attempt } from '../../lib/google-flow.ts'
import { lockAssistant } from '../assistant/lock-assistant.ts'
import { requireEntitlement } from '../assistant/require-entitlement.ts'
import { applyTools } from './apply-tools.ts'
import type { IntegrationCtx } from './ctx.ts'
import { endService } from './end-service.ts'
import { type GoogleService, googleServices } from './google-services.ts'
import { requireGoogle } from './require-google.ts'
import { revokeAlone } from './revoke.ts'
import { callbackOf, disconnecting } from './start-connection.ts'

/**
 * Takes what Google answered: tokens are stored sealed, in the place of earlier ones, and the assistant gets its tools.
 * What is not stored is taken back from Google. Errors: feature_off (404), consent_denied and consent_incomplete (403),
 * not_entitled (402), sign_in_invalid (400), disconnecting (409), google_unavailable (503).
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
  const { subject: accountSubject, refreshToken } = granted
  const takeBack = (token: string, subject: string) =>
    revokeAlone(ctx, { token, accountSubject: subject }).catch((err: unknown) =>
      ctx.log.warn({ err, service }, 'a consent could not be taken back'),
    )
  const agreed = googleServices[service].scopes.filter((scope) => granted.scopes?.includes(scope))
  if (agreed.length === 0 || refreshToken === undefined) {
    await takeBack(refreshToken ?? granted.accessToken, accountSubject)
    throw forbidden('Nothing of this was allowed. Connect again and tick the boxes.', 'consent_incomplete')
  }
  const data = {
    scopes: agreed,
    accountEmail: granted.email,
    accountSubject,
    accessTokenEncrypted: await ctx.vault.seal(granted.accessToken),
    refreshTokenEncrypted: await ctx.vault.seal(refreshToken),
    expiresAt: new Date(granted.expiresAt),
    refreshLeaseUntil: null,
    lostAt: null,
    createdAt: new Date(ctx.clock.now()),
  }
  const replaced = await inTransaction(ctx, async (tx) => {
    // First: whoever changes what an assistant may do takes its lock before any other row's.
    await lockAssistant(tx, userId)
    await requireEntitlement(tx, userId, new Date(ctx.clock.now()))
    const where = { userId_service: { userId, service } }
    const earlier = await tx.userIntegration.findUnique({ where })
    if (earlier?.disconnectRequestedAt) throw disconnecting()
    const isOther = earlier !== null && earlier.accountSubject !== accountSubject
    if (isOther) await endService(tx, { userId, service, now: data.createdAt })
    await tx.userIntegration.upsert({ where, create: { userId, service, ...data }, update: data })
    await applyTools(tx, userId)
    await tx.auditEvent.create({
      data: {
        actor: `user:${userId}`,
        action: 'integration.connected',
        subject: `user:${userId}`,
        data: { service, scopes: agreed },
      },
    })
    return isOther ? earlier : null
  }).catch(async (error: unknown) => {
    await takeBack(refreshToken, accountSubject)
    throw error
  })
  // The tokens of the same account are forgotten alone: Google would take these along with them.
  if (replaced?.refreshTokenEncrypted)
    await takeBack(await ctx.vault.open(replaced.refreshTokenEncrypted), replaced.accountSubject)
}
