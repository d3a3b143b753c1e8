import type { Context, MiddlewareHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Env } from '../../faults.ts'
import type { Provider } from '../provider.ts'

/** A refusal as Google's APIs word it (https://cloud.google.com/apis/design/errors). */
export class ApiError extends Error {
  readonly code: number
  readonly reason: string

  constructor(code: number, reason: string, message: string) {
    super(message)
    this.code = code
    this.reason = reason
  }
}

const statuses: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ALREADY_EXISTS',
  410: 'FAILED_PRECONDITION',
  412: 'FAILED_PRECONDITION',
  429: 'RESOURCE_EXHAUSTED',
}
const reasons: Record<number, string> = {
  401: 'authError',
  403: 'rateLimitExceeded',
  429: 'rateLimitExceeded',
}

export function errorBody(code: number, reason = reasons[code] ?? 'backendError', message = 'Sandbox fault') {
  const errors = [{ domain: 'global', reason, message }]
  return { error: { code, message, status: statuses[code] ?? 'INTERNAL', errors } }
}

export function answerError(error: Error, c: Context): Response {
  if (!(error instanceof ApiError)) throw error
  return c.json(errorBody(error.code, error.reason, error.message), error.code as ContentfulStatusCode)
}

/** Whose data a request is about, once its token allows one of these scopes. */
export type ApiEnv = Env & { Variables: { email: string } }

const scopePrefix = 'https://www.googleapis.com/auth/'

/** A token's scopes are those that the person agreed to, whatever was asked for. */
export function scoped(provider: Provider, ...anyOf: string[]): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const token = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    const grant = token === undefined ? undefined : provider.grants.byAccessToken(token)
    if (!grant || !provider.accounts.find(grant.email)) {
      throw new ApiError(401, 'authError', 'Request had invalid authentication credentials.')
    }
    const has = new Set(grant.scope.split(' '))
    if (!anyOf.some((scope) => has.has(scopePrefix + scope))) {
      throw new ApiError(403, 'insufficientPermissions', 'Request had insufficient authentication scopes.')
    }
    c.set('email', grant.email)
    return next()
  }
}

/** Pages as Google cuts them: the token names where the next one begins. */
export function pageOf<T>(all: T[], size: string | undefined, token: string | undefined, most: number) {
  const count = Math.min(Math.max(Number(size ?? most) || most, 1), most)
  const from = Number(token ?? 0) || 0
  const next = from + count
  return { items: all.slice(from, next), nextPageToken: next < all.length ? String(next) : undefined }
}
