import { createMiddleware } from 'hono/factory'
import type { Ctx } from '../../context.ts'
import { unauthenticated } from '../../errors.ts'
import { claimedIssuer, type ForeignTokens, type Tokens } from '../../lib/tokens.ts'
import { identifyUser } from '../../services/account/identify-user.ts'
import { isBearerValid } from '../../services/account/is-bearer-valid.ts'

export interface AuthenticatedEnv {
  Variables: { user: { id: string }; bearer: { jti: string; expiresAt: Date } }
}

interface Verifiers {
  ctx: Ctx
  tokens: Tokens
  /** The other issuer we accept, if any. */
  foreign: ForeignTokens | undefined
}

/** Requires a valid, not revoked bearer token; one of the other issuer makes its user on first sight (I7). */
export function authenticate(verifiers: Verifiers) {
  const { ctx } = verifiers
  return createMiddleware<AuthenticatedEnv>(async (c, next) => {
    const [scheme, token] = (c.req.header('authorization') ?? '').split(' ')
    if (scheme?.toLowerCase() !== 'bearer' || !token) throw unauthenticated()
    const { jti, expiresAt, findUser } = await verify(verifiers, token)
    // Before the user: a token that was signed out must not make one.
    if (!(await isBearerValid({ ctx, input: { jti, expiresAt } }))) throw refused()
    const user = await findUser()
    if (user === null) throw refused()
    c.set('user', user)
    c.set('bearer', { jti, expiresAt })
    await next()
  })
}

/** The claimed issuer only chooses who checks; a token that lies about it fails that check. */
async function verify({ ctx, tokens, foreign }: Verifiers, token: string) {
  if (foreign !== undefined && claimedIssuer(token) === foreign.issuer) {
    const { jti, expiresAt, ...identity } = await foreign.verify(token)
    return { jti, expiresAt, findUser: () => identifyUser({ ctx, input: identity }) }
  }
  const { userId, jti, expiresAt } = await tokens.verify(token)
  const findUser = () => ctx.db.user.findUnique({ where: { id: userId }, select: { id: true } })
  return { jti, expiresAt, findUser }
}

const refused = () => unauthenticated('The bearer token is not valid.', 'invalid_token')
