import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { Ctx } from '../../context.ts'
import { unauthenticated } from '../../errors.ts'
import { claimedIssuer, type ForeignTokens, type Tokens } from '../../lib/tokens.ts'
import { findUser } from '../../services/account/find-user.ts'
import { identifyUser } from '../../services/account/identify-user.ts'
import { isBearerValid } from '../../services/account/is-bearer-valid.ts'
import { endOf, requireOwnPage, type SessionCookie } from './session.ts'

export interface AuthenticatedEnv {
  Variables: { user: { id: string }; bearer: Bearer }
}

/** The token that a request came with, by header or cookie. */
export interface Bearer {
  jti: string
  expiresAt: Date
  /** When the last token with this id runs out. */
  endsAt: Date
}

interface Verifiers {
  ctx: Ctx
  tokens: Tokens
  /** The other issuer we accept, if any. */
  foreign: ForeignTokens | undefined
  cookie: SessionCookie
  /** Origins of our own pages. */
  origins: readonly string[]
}

/**
 * Requires a valid, not revoked token: a bearer in the header, or the session cookie with a request of our own pages.
 * A token of the other issuer makes its user on first sight (I7).
 */
export function authenticate(verifiers: Verifiers) {
  const { ctx, cookie, origins } = verifiers
  return createMiddleware<AuthenticatedEnv>(async (c, next) => {
    const header = c.req.header('authorization')
    const token = header === undefined ? cookie.read(c) : bearerIn(header)
    if (!token) throw unauthenticated()
    if (header === undefined) requireOwnPage(c, origins)
    const { findOwner, slide, ...bearer } = await verify(verifiers, token)
    // Before the user: a token that was signed out must not make one.
    if (!(await isBearerValid({ ctx, input: bearer }))) throw refused()
    const user = await findOwner()
    if (user === null) throw refused()
    c.set('user', user)
    c.set('bearer', bearer)
    // What one person sees belongs into no cache.
    c.header('cache-control', 'no-store')
    if (header === undefined) await slide(c)
    await next()
  })
}

function bearerIn(header: string): string | undefined {
  const [scheme, token] = header.split(' ')
  return scheme?.toLowerCase() === 'bearer' ? token : undefined
}

interface Verified extends Bearer {
  findOwner: () => Promise<{ id: string } | null>
  slide: (c: Context) => Promise<void>
}

/** The claimed issuer only chooses who checks; a token that lies about it fails that check. */
async function verify({ ctx, tokens, foreign, cookie }: Verifiers, token: string): Promise<Verified> {
  if (foreign !== undefined && claimedIssuer(token) === foreign.issuer) {
    const { jti, expiresAt, ...identity } = await foreign.verify(token)
    const findOwner = () => identifyUser({ ctx, input: identity })
    return { jti, expiresAt, endsAt: expiresAt, findOwner, slide: async () => {} }
  }
  const own = await tokens.verify(token)
  const { userId, jti, expiresAt, sessionStartedAt } = own
  return {
    jti,
    expiresAt,
    endsAt: sessionStartedAt === undefined ? expiresAt : endOf(sessionStartedAt),
    findOwner: () => findUser({ ctx, input: { userId } }),
    slide: (c) => cookie.slide(c, own),
  }
}

const refused = () => unauthenticated('The bearer token is not valid.', 'invalid_token')
