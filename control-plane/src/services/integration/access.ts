import { setTimeout as delay } from 'node:timers/promises'
import { forbidden, ServiceError } from '../../errors.ts'
import type { GoogleApi } from '../../lib/google-api.ts'
import { googleUnavailable } from '../../lib/google-client.ts'
import { consentWithdrawn } from '../../lib/google-consent.ts'
import type { IntegrationCtx } from './ctx.ts'
import { type GoogleService, googleServices } from './google-services.ts'
import { markLost } from './mark-lost.ts'
import { requireGoogle } from './require-google.ts'

/** A token that ends sooner is renewed first: a call must not meet its end. */
const marginMs = 60_000
/** Longer than Google takes to renew one, or to say no. */
const leaseMs = 30_000
const lookAgainMs = 200

/** A token that works, as far as we know, and what renewed it. */
interface Access {
  token: string
  /** Sealed; the connection that the token belongs to. */
  refreshToken: string
}

/**
 * Calls Google in the person's name. The access token is renewed when it is about to end, and once more when Google
 * refuses it; a connection that Google has ended is marked, and the person told once.
 * Errors: feature_off (404), not_connected and consent_withdrawn (403), those of GoogleApi and of `work`.
 */
export async function withGoogle<T>({
  ctx,
  input,
  work,
}: {
  ctx: IntegrationCtx
  input: { userId: string; service: GoogleService; signal?: AbortSignal }
  work: (api: GoogleApi) => Promise<T>
}): Promise<T> {
  requireGoogle(ctx)
  const { signal } = input
  const access = await findAccess(ctx, input)
  try {
    return await work(ctx.openApi(access.token, signal))
  } catch (error) {
    if (!isUnauthorized(error)) throw error
    const fresh = await findAccess(ctx, input, access.token)
    return work(ctx.openApi(fresh.token, signal)).catch(async (again: unknown) => {
      if (!isUnauthorized(again)) throw again
      await markLost({ ctx, input: { ...input, refreshToken: fresh.refreshToken } })
      throw consentWithdrawn()
    })
  }
}

const isUnauthorized = (error: unknown) =>
  error instanceof ServiceError && error.code === 'google_unauthorized'

/**
 * The token that is there, or a new one: whoever takes the lease asks Google, without holding anything of the database,
 * and the others wait for what comes of it. `refused` is a token that Google does not take, whatever its clock says.
 */
async function findAccess(
  ctx: IntegrationCtx,
  { userId, service }: { userId: string; service: GoogleService },
  refused?: string,
): Promise<Access> {
  const giveUpAt = performance.now() + leaseMs
  for (;;) {
    const row = await ctx.db.userIntegration.findFirst({
      where: { userId, service, disconnectRequestedAt: null },
    })
    if (!row?.refreshTokenEncrypted) throw notConnected(service)
    if (row.lostAt) throw consentWithdrawn()
    const { id, refreshTokenEncrypted: refreshToken } = row
    const known = row.accessTokenEncrypted ? await ctx.vault.open(row.accessTokenEncrypted) : ''
    const isFresh = (row.expiresAt?.getTime() ?? 0) > ctx.clock.now() + marginMs
    if (known !== '' && known !== refused && isFresh) return { token: known, refreshToken }
    if (await takeLease(ctx, id, refreshToken)) return renew(ctx, { id, userId, service, refreshToken })
    if (performance.now() > giveUpAt) throw googleUnavailable(undefined)
    await delay(lookAgainMs)
  }
}

async function takeLease(ctx: IntegrationCtx, id: string, refreshToken: string): Promise<boolean> {
  const now = ctx.clock.now()
  const { count } = await ctx.db.userIntegration.updateMany({
    where: {
      id,
      refreshTokenEncrypted: refreshToken,
      OR: [{ refreshLeaseUntil: null }, { refreshLeaseUntil: { lt: new Date(now) } }],
    },
    data: { refreshLeaseUntil: new Date(now + leaseMs) },
  })
  return count === 1
}

async function renew(
  ctx: IntegrationCtx,
  row: { id: string; userId: string; service: GoogleService; refreshToken: string },
): Promise<Access> {
  const { id, refreshToken } = row
  // Another connection may have taken its place meanwhile: what is written is about the one that was read.
  const where = { id, refreshTokenEncrypted: refreshToken }
  try {
    const tokens = await ctx.consent.refresh(await ctx.vault.open(refreshToken))
    const next = tokens.refreshToken === undefined ? refreshToken : await ctx.vault.seal(tokens.refreshToken)
    await ctx.db.userIntegration.updateMany({
      where,
      data: {
        accessTokenEncrypted: await ctx.vault.seal(tokens.accessToken),
        refreshTokenEncrypted: next,
        expiresAt: new Date(tokens.expiresAt),
        refreshLeaseUntil: null,
      },
    })
    return { token: tokens.accessToken, refreshToken: next }
  } catch (error) {
    await ctx.db.userIntegration.updateMany({ where, data: { refreshLeaseUntil: null } })
    if (error instanceof ServiceError && error.code === 'consent_withdrawn')
      await markLost({ ctx, input: row })
    throw error
  }
}

const notConnected = (service: GoogleService) =>
  forbidden(`${googleServices[service].name} is not connected.`, 'not_connected')
