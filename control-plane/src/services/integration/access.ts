import { inTransaction } from '../../context.ts'
import { forbidden, ServiceError } from '../../errors.ts'
import type { GoogleApi } from '../../lib/google-api.ts'
import { consentWithdrawn } from '../../lib/google-consent.ts'
import type { IntegrationCtx } from './ctx.ts'
import { type GoogleService, googleServices } from './google-services.ts'
import { markLost } from './mark-lost.ts'

/** A token that ends sooner is renewed first: a call must not meet its end. */
const marginMs = 60_000

/**
 * Calls Google in the person's name. The access token is renewed when it is about to end, and once more when Google
 * refuses it; a connection that Google has ended is marked, and the person told once.
 * Errors: not_connected and consent_withdrawn (403), those of GoogleApi and of `work`.
 */
export async function withGoogle<T>({
  ctx,
  input,
  work,
}: {
  ctx: IntegrationCtx
  input: { userId: string; service: GoogleService }
  work: (api: GoogleApi) => Promise<T>
}): Promise<T> {
  const token = await accessToken(ctx, input)
  try {
    return await work(ctx.openApi(token))
  } catch (error) {
    if (!isUnauthorized(error)) throw error
    const fresh = await accessToken(ctx, input, token)
    return work(ctx.openApi(fresh)).catch(async (again: unknown) => {
      if (!isUnauthorized(again)) throw again
      await markLost({ ctx, input })
      throw consentWithdrawn()
    })
  }
}

const isUnauthorized = (error: unknown) =>
  error instanceof ServiceError && error.code === 'google_unauthorized'

/** `refused` is a token that Google does not take, whatever its clock says. */
async function accessToken(
  ctx: IntegrationCtx,
  input: { userId: string; service: GoogleService },
  refused?: string,
): Promise<string> {
  try {
    return await inTransaction(ctx, async (tx) => {
      // One at a time: Google may give a new refresh token, which ends the one that the other holds.
      const [row] = await tx.$queryRaw<Row[]>`
        SELECT id, access_token_encrypted AS "accessToken", refresh_token_encrypted AS "refreshToken",
          expires_at AS "expiresAt", lost_at AS "lostAt"
        FROM user_integrations
        WHERE user_id = ${input.userId}::uuid AND service = ${input.service} AND disconnect_requested_at IS NULL
        FOR UPDATE`
      if (!row?.refreshToken) throw notConnected(input.service)
      if (row.lostAt) throw consentWithdrawn()
      const known = row.accessToken ? await ctx.vault.open(row.accessToken) : ''
      const isFresh = (row.expiresAt?.getTime() ?? 0) > ctx.clock.now() + marginMs
      if (known !== '' && known !== refused && isFresh) return known
      const tokens = await ctx.consent.refresh(await ctx.vault.open(row.refreshToken))
      await tx.userIntegration.update({
        where: { id: row.id },
        data: {
          accessTokenEncrypted: await ctx.vault.seal(tokens.accessToken),
          expiresAt: new Date(tokens.expiresAt),
          ...(tokens.refreshToken !== undefined && {
            refreshTokenEncrypted: await ctx.vault.seal(tokens.refreshToken),
          }),
        },
      })
      return tokens.accessToken
    })
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'consent_withdrawn') await markLost({ ctx, input })
    throw error
  }
}

interface Row {
  id: string
  accessToken: string | null
  refreshToken: string | null
  expiresAt: Date | null
  lostAt: Date | null
}

const notConnected = (service: GoogleService) =>
  forbidden(`${googleServices[service].name} is not connected.`, 'not_connected')
