import {
  AuthorizationResponseError,
  ResponseBodyError,
  refreshTokenGrant,
  type TokenEndpointResponse,
  tokenRevocation,
} from 'openid-client'
import { forbidden, ServiceError } from '../errors.ts'
import { refusal } from './google.ts'
import { type GoogleClient, googleConfigurations, googleUnavailable } from './google-client.ts'
import { type Attempt, beginFlow, redeem } from './google-flow.ts'

export interface Tokens {
  accessToken: string
  /** Milliseconds since the epoch. */
  expiresAt: number
  /** Absent when the one that is known stays good. */
  refreshToken?: string
  /** What the person agreed to, which may be less than was asked for. Absent when Google does not say. */
  scopes?: string[]
}

/** What a person lets us do at Google beside knowing who they are: OAuth 2.0, code flow with PKCE, offline. */
export interface GoogleConsent {
  /** Where the person is asked. Throws google_unavailable. */
  start(input: { redirectUri: string; scopes: readonly string[]; loginHint: string }): Promise<{
    url: URL
    attempt: Attempt
  }>
  /**
   * What came of it; `query` is what Google's redirect carried.
   * Throws consent_denied, sign_in_invalid (forged, replayed, or not Google's) and google_unavailable.
   */
  finish(input: {
    redirectUri: string
    query: string
    attempt: Attempt
  }): Promise<Tokens & { email: string; subject: string }>
  /** Throws consent_withdrawn when Google does not accept it any more, and google_unavailable. */
  refresh(refreshToken: string): Promise<Tokens>
  /** Ends a token and those made with it. One that is over already is fine. Throws google_unavailable. */
  revoke(token: string): Promise<void>
}

export const consentWithdrawn = () =>
  forbidden('Google does not accept this connection any more. Connect again.', 'consent_withdrawn')

export function createGoogleConsent(client: GoogleClient): GoogleConsent {
  const configure = googleConfigurations(client)
  return {
    async start({ redirectUri, scopes, loginHint }) {
      const config = await configure()
      return beginFlow(config, {
        redirect_uri: redirectUri,
        scope: ['openid', 'email', ...scopes].join(' '),
        access_type: 'offline',
        // Asked anew each time: only then does Google give a refresh token again.
        prompt: 'consent',
        login_hint: loginHint,
      })
    },

    async finish(answer) {
      const config = await configure()
      const granted = await redeem(config, answer).catch((cause: unknown) => {
        throw isDenied(cause)
          ? forbidden('You did not agree, so nothing was connected.', 'consent_denied')
          : refusal(cause)
      })
      const claims = granted.claims()
      const email = typeof claims?.email === 'string' ? claims.email : ''
      return { ...toTokens(granted), email, subject: claims?.sub ?? '' }
    },

    async refresh(refreshToken) {
      const config = await configure()
      const fresh = await refreshTokenGrant(config, refreshToken).catch((cause: unknown) => {
        if (cause instanceof ResponseBodyError && cause.error === 'invalid_grant') throw consentWithdrawn()
        throw googleUnavailable(cause)
      })
      return toTokens(fresh)
    },

    async revoke(token) {
      const config = await configure()
      await tokenRevocation(config, token).catch((cause: unknown) => {
        if (cause instanceof ResponseBodyError && isOver.includes(cause.error)) return
        throw googleUnavailable(cause)
      })
    },
  }
}

/** What Google says of a token that is none any more. */
const isOver = ['invalid_token', 'invalid_grant']

const isDenied = (cause: unknown) =>
  cause instanceof AuthorizationResponseError && cause.error === 'access_denied'

function toTokens(answer: TokenEndpointResponse): Tokens {
  const { access_token: accessToken, refresh_token: refreshToken, scope, expires_in: lifeSeconds } = answer
  if (lifeSeconds === undefined)
    throw new ServiceError(502, 'google_unavailable', 'Google answered something unexpected.')
  return {
    accessToken,
    expiresAt: Date.now() + lifeSeconds * 1000,
    ...(refreshToken !== undefined && { refreshToken }),
    ...(scope !== undefined && { scopes: scope.split(' ') }),
  }
}
