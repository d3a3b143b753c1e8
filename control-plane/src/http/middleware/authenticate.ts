import { createMiddleware } from 'hono/factory'
import type { Ctx } from '../../context.ts'
import { unauthenticated } from '../../errors.ts'
import type { Tokens } from '../../lib/tokens.ts'

export interface AuthenticatedEnv {
  Variables: { user: { id: string } }
}

/** Requires a valid, not revoked bearer token of an existing user. */
export function authenticate(ctx: Ctx, tokens: Tokens) {
  return createMiddleware<AuthenticatedEnv>(async (c, next) => {
    const [scheme, token] = (c.req.header('authorization') ?? '').split(' ')
    if (scheme?.toLowerCase() !== 'bearer' || !token) throw unauthenticated()
    const { userId, jti } = await tokens.verify(token)
    const [user, revoked] = await Promise.all([
      ctx.db.user.findUnique({ where: { id: userId }, select: { id: true } }),
      ctx.db.revokedToken.findUnique({ where: { jti } }),
    ])
    if (user === null || revoked !== null)
      throw unauthenticated('The bearer token is not valid.', 'invalid_token')
    c.set('user', user)
    await next()
  })
}
