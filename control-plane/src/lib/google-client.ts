import { allowInsecureRequests, Configuration, discovery, type ServerMetadata } from 'openid-client'
import { ServiceError } from '../errors.ts'

/** An OpenID client of Google's console. */
export interface GoogleClient {
  /** Google, or another OpenID provider. */
  issuer: string
  clientId: string
  clientSecret: string
}

/** As long as a person waits for a page. */
const timeoutSeconds = 10

/**
 * What each exchange with Google begins with. The metadata are looked up once; a configuration caches the issuer's keys
 * for minutes, so a new one for each exchange sees every rotation. Throws google_unavailable.
 */
export function googleConfigurations({ issuer, clientId, clientSecret }: GoogleClient) {
  const isInsecure = new URL(issuer).protocol === 'http:'
  let metadata: ServerMetadata | undefined

  async function discover(): Promise<ServerMetadata> {
    const execute = isInsecure ? [allowInsecureRequests] : []
    const options = { execute, timeout: timeoutSeconds }
    const found = await discovery(new URL(issuer), clientId, clientSecret, undefined, options).catch(
      (cause: unknown) => {
        throw googleUnavailable(cause)
      },
    )
    return found.serverMetadata()
  }
  return async (): Promise<Configuration> => {
    metadata ??= await discover()
    const config = new Configuration(metadata, clientId, clientSecret)
    config.timeout = timeoutSeconds
    if (isInsecure) allowInsecureRequests(config)
    return config
  }
}

export const googleUnavailable = (cause: unknown) =>
  new ServiceError(503, 'google_unavailable', 'Google does not answer right now. Try again soon.', {
    cause,
    retryable: true,
  })
