import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { signOut } from '../../services/account/sign-out.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'

/** Leaving: the bearer that asks is the bearer that ends. */
export function authRoutes(ctx: Ctx) {
  return new OpenAPIHono<AuthenticatedEnv>().openapi(
    createRoute({
      method: 'post',
      path: '/auth/logout',
      tags: ['account'],
      summary: 'Sign out: the bearer is good for nothing afterwards',
      responses: { 204: { description: 'The bearer token is good for nothing any more' } },
    }),
    async (c) => {
      await signOut({ ctx, input: c.get('bearer') })
      return c.body(null, 204)
    },
  )
}
