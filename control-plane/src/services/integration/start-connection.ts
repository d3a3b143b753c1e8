import { conflict } from '../../errors.ts'
import type { Attempt } from '../../lib/google-flow.ts'
import { requireEntitlement } from '../assistant/require-entitlement.ts'
import type { IntegrationCtx } from './ctx.ts'
import { type GoogleService, googleServices } from './google-services.ts'
import { requireGoogle } from './require-google.ts'

/** Where Google sends the browser back to; each must be registered in Google's console. */
export const callbackOf = (webUrl: string, service: GoogleService) =>
  `${webUrl}/api/v1/integrations/google/${service}/callback`

/**
 * Where the person agrees to what a service needs, and what their browser has to bring back.
 * Errors: feature_off (404), not_entitled (402), disconnecting (409), google_unavailable (503).
 */
export async function startConnection({
  ctx,
  input,
}: {
  ctx: IntegrationCtx
  input: { userId: string; service: GoogleService }
}): Promise<{ url: URL; attempt: Attempt }> {
  const { userId, service } = input
  requireGoogle(ctx)
  const { email } = await ctx.db.user.findUniqueOrThrow({ where: { id: userId }, select: { email: true } })
  await requireEntitlement(ctx.db, userId, new Date(ctx.clock.now()))
  const where = { userId, service, disconnectRequestedAt: { not: null } }
  if ((await ctx.db.userIntegration.count({ where })) > 0) throw disconnecting()
  return ctx.consent.start({
    redirectUri: callbackOf(ctx.settings.webUrl, service),
    scopes: googleServices[service].scopes,
    loginHint: email,
  })
}

export const disconnecting = () =>
  conflict('Google has not confirmed yet that the old connection is gone. Try again soon.', 'disconnecting')
