/**
 * The one tree of errors that services throw. Each transport maps it once: HTTP by `status`, gRPC and jobs by `code`.
 * `detail` is safe to show; the reason behind it goes into `cause` and is only logged.
 */
export class ServiceError extends Error {
  readonly status: number
  /** Stable, lower-case, with underscores. */
  readonly code: string
  readonly detail: string
  /** True when the same call may succeed later. */
  readonly retryable: boolean
  /** When that is known. */
  readonly retryAfterMs: number | undefined

  constructor(
    status: number,
    code: string,
    detail: string,
    options: { cause?: unknown; retryable?: boolean; retryAfterMs?: number } = {},
  ) {
    super(`${code}: ${detail}`, { cause: options.cause })
    this.name = 'ServiceError'
    this.status = status
    this.code = code
    this.detail = detail
    this.retryable = options.retryable ?? false
    this.retryAfterMs = options.retryAfterMs
  }
}

export const invalidInput = (detail: string, code = 'invalid_input') => new ServiceError(400, code, detail)
export const unauthenticated = (detail = 'Sign in first.', code = 'unauthenticated') =>
  new ServiceError(401, code, detail)
export const notEntitled = (detail = 'This needs an active subscription or trial.') =>
  new ServiceError(402, 'not_entitled', detail)
export const forbidden = (detail: string, code = 'forbidden') => new ServiceError(403, code, detail)
export const notFound = (detail: string, code = 'not_found') => new ServiceError(404, code, detail)
export const conflict = (detail: string, code = 'conflict') => new ServiceError(409, code, detail)
const tooMany = (code: string, detail: string) => (retryAfterMs: number) =>
  new ServiceError(429, code, detail, { retryable: true, retryAfterMs })
export const tooManyRequests = tooMany(
  'too_many_requests',
  'That was too much at once. Try again in a while.',
)
export const tooManySearches = tooMany(
  'too_many_searches',
  'That was too much searching at once. Try again in a moment.',
)
export const assistantSuspended = () => conflict('The assistant is suspended.', 'assistant_suspended')
export const hostRevoked = () => unauthenticated('That host was revoked.', 'host_revoked')
/** A write of a session that is no longer the host's newest: it touched no row. */
export const staleEpoch = () =>
  new ServiceError(409, 'stale_epoch', 'A newer session of this host took over.')
