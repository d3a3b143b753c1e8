import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { CookieOptions } from 'hono/utils/cookie'
import { forbidden } from '../../errors.ts'
import type { OwnToken, Session, Tokens } from '../../lib/tokens.ts'

/** A browser that does not come back for so long has to sign in again. */
const idleSeconds = 30 * 86_400
/** And every browser after so long, however often it comes. */
const maxSeconds = 180 * 86_400
/** A cookie that is older is replaced, so that the session slides. */
const renewAfterMs = 86_400_000

/** The cookie that holds a browser's session, in the one place that knows how. */
export interface SessionCookie {
  read(c: Context): string | undefined
  /** Begins a session, or goes on with one. */
  write(c: Context, userId: string, session: Session): Promise<void>
  /** Replaces a cookie of today's session that is a day old. */
  slide(c: Context, token: OwnToken): Promise<void>
  clear(c: Context): void
}

/**
 * Over https the name has the prefix __Host-, with which a browser takes the cookie from this very origin alone.
 * On http://localhost not every browser stores a cookie that is Secure.
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3
 */
export function createSessionCookie(tokens: Tokens, webUrl: string): SessionCookie {
  const cookie = ownCookie('session', webUrl)
  async function write(c: Context, userId: string, session: Session) {
    const leftSeconds = Math.floor(endOf(session.startedAt).getTime() / 1000 - Date.now() / 1000)
    const ttlSeconds = Math.min(idleSeconds, leftSeconds)
    if (ttlSeconds <= 0) return
    cookie.write(c, await tokens.issue(userId, ttlSeconds, session), ttlSeconds)
  }
  return {
    read: cookie.read,
    clear: cookie.clear,
    write,
    async slide(c, { userId, jti, issuedAt, sessionStartedAt }) {
      if (sessionStartedAt === undefined || Date.now() - issuedAt.getTime() < renewAfterMs) return
      await write(c, userId, { id: jti, startedAt: sessionStartedAt })
    },
  }
}

/** When the last token of a session runs out: so long signing out has to be remembered. */
export const endOf = (startedAt: Date) => new Date(startedAt.getTime() + maxSeconds * 1000)

/** A cookie that scripts cannot read and other sites' requests do not carry, but for a link that is followed. */
export function ownCookie(name: string, webUrl: string) {
  const isSecure = webUrl.startsWith('https:')
  const prefix = isSecure ? ({ prefix: 'host' } as const) : {}
  const options: CookieOptions = { ...prefix, path: '/', secure: isSecure, httpOnly: true, sameSite: 'Lax' }
  return {
    read: (c: Context) => (isSecure ? getCookie(c, name, 'host') : getCookie(c, name)),
    write: (c: Context, value: string, maxAge: number) => setCookie(c, name, value, { ...options, maxAge }),
    clear: (c: Context) => void deleteCookie(c, name, options),
  }
}

const safeMethods = ['GET', 'HEAD', 'OPTIONS']

export const isSafe = (method: string) => safeMethods.includes(method)

/**
 * A cookie comes along with whatever page asks (CSRF, I6): what changes something must come from a page of ours.
 * Browsers say so in Origin, which no script can set; what says nothing is not trusted with a cookie.
 */
export function requireOwnPage(c: Context, origins: readonly string[]): void {
  if (isSafe(c.req.method)) return
  const origin = c.req.header('origin')
  const isOwn =
    origin === undefined ? c.req.header('sec-fetch-site') === 'same-origin' : origins.includes(origin)
  if (!isOwn) throw forbidden('This request did not come from our own pages.', 'cross_site_request')
}
