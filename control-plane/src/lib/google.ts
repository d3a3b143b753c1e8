import { AuthorizationResponseError, enableNonRepudiationChecks, ResponseBodyError } from 'openid-client'
import { forbidden, invalidInput, type ServiceError } from '../errors.ts'
import { type GoogleClient, googleConfigurations, googleUnavailable } from './google-client.ts'
import { type Attempt, beginFlow, redeem } from './google-flow.ts'

export interface GoogleIdentity {
  issuer: string
  subject: string
  /** Lower case; undefined unless Google says that it is verified. */
  email: string | undefined
  name: string
}

/** Sign-in with Google, or whoever GOOGLE_ISSUER is: OpenID Connect, code flow with PKCE. */
export interface Google {
  /** Where the person chooses an account. Throws google_unavailable. */
  start(): Promise<{ url: URL; attempt: Attempt }>
  /**
   * Whom the answer to that attempt names; `query` is what Google's redirect carried.
   * Throws sign_in_denied, sign_in_invalid (forged, replayed, or not Google's) and google_unavailable.
   */
  finish(query: string, attempt: Attempt): Promise<GoogleIdentity>
}

export function createGoogle(
  client: GoogleClient & {
    /** As it is registered at Google. */
    redirectUri: string
  },
): Google {
  const { redirectUri } = client
  const configure = googleConfigurations(client)

  return {
    async start() {
      const config = await configure()
      return beginFlow(config, {
        redirect_uri: redirectUri,
        scope: 'openid email profile',
        prompt: 'select_account',
      })
    },

    async finish(query, attempt) {
      const config = await configure()
      enableNonRepudiationChecks(config)
      const tokens = await redeem(config, { redirectUri, query, attempt }).catch((cause: unknown) => {
        throw refusal(cause)
      })
      const claims = tokens.claims()
      if (claims === undefined) throw invalidAnswer(undefined)
      const { email, email_verified: verified, name } = claims
      return {
        issuer: claims.iss,
        subject: claims.sub,
        email: typeof email === 'string' && verified === true ? email.trim().toLowerCase() : undefined,
        name: typeof name === 'string' ? name : '',
      }
    },
  }
}

/** What openid-client throws about an answer is the answer's fault, unless nobody answered or Google itself failed. */
export function refusal(cause: unknown): ServiceError {
  if (cause instanceof AuthorizationResponseError && cause.error === 'access_denied') {
    return forbidden('Signing in was cancelled.', 'sign_in_denied')
  }
  if (cause instanceof ResponseBodyError) {
    return cause.status >= 500 || cause.status === 429 ? googleUnavailable(cause) : invalidAnswer(cause)
  }
  const { code } = cause as { code?: unknown }
  const isUnreachable =
    code === undefined || code === 'OAUTH_TIMEOUT' || code === 'OAUTH_RESPONSE_IS_NOT_CONFORM'
  return isUnreachable ? googleUnavailable(cause) : invalidAnswer(cause)
}

const invalidAnswer = (cause: unknown) =>
  Object.assign(invalidInput('Signing in did not work. Please start again.', 'sign_in_invalid'), { cause })
