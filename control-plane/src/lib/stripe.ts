import Stripe from 'stripe'
import { ServiceError } from '../errors.ts'

const timeoutMs = 8_000

/** Stripe's SDK. `apiBase` has no path; absent = Stripe itself. */
export function createStripe(settings: { secretKey: string; apiBase: string | undefined }): Stripe {
  const options = { timeout: timeoutMs, maxNetworkRetries: 1, telemetry: false } as const
  if (settings.apiBase === undefined) return new Stripe(settings.secretKey, options)
  const { protocol, hostname, port } = new URL(settings.apiBase)
  const scheme = protocol === 'https:' ? 'https' : 'http'
  const address = { host: hostname, protocol: scheme, port: port || (scheme === 'https' ? 443 : 80) } as const
  return new Stripe(settings.secretKey, { ...options, ...address })
}

/**
 * A call of Stripe with its errors in our tree: stripe_unavailable (503, retryable) when it is away, slow or busy,
 * stripe_refused (502) when it will not do what we ask.
 */
export async function askStripe<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (cause) {
    if (!(cause instanceof Stripe.errors.StripeError)) throw cause
    const isRefused = cause.type === 'StripeInvalidRequestError' || cause.type === 'StripeCardError'
    if (isRefused)
      throw new ServiceError(502, 'stripe_refused', 'The payment provider refused that.', { cause })
    const detail = 'The payment provider does not answer. Try again in a moment.'
    throw new ServiceError(503, 'stripe_unavailable', detail, { cause, retryable: true })
  }
}

/** True for an object that Stripe does not have, or no longer. */
export const isMissing = (error: unknown): boolean =>
  error instanceof ServiceError && error.cause instanceof Stripe.errors.StripeError
    ? error.cause.code === 'resource_missing'
    : false
