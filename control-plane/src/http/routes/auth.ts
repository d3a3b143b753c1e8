import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { invalidInput, ServiceError } from '../../errors.ts'
import type { Google } from '../../lib/google.ts'
import type { Vault } from '../../lib/vault.ts'
import { signIn } from '../../services/account/sign-in.ts'
import { signOut } from '../../services/account/sign-out.ts'
import { attemptCookie } from '../middleware/attempt-cookie.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import type { SessionCookie } from '../middleware/session.ts'
import { problem, refuseInvalid } from './openapi.ts'
import { returnPath } from './return-path.ts'

const toBrowser = (description: string) => ({
  302: { description },
  default: { description: 'An error', content: { 'application/json': { schema: problem } } },
})
const start = createRoute({
  method: 'get',
  path: '/auth/google',
  tags: ['account'],
  security: [],
  summary: 'Sign in with Google: open it in the browser, at the web’s own address',
  request: {
    query: z.object({
      returnTo: z
        .string()
        .optional()
        .openapi({ description: 'Where to go then: a path of the web; /dashboard when absent' }),
    }),
  },
  responses: toBrowser('On to Google'),
})
const callback = createRoute({
  method: 'get',
  path: '/auth/google/callback',
  tags: ['account'],
  security: [],
  summary: 'Where Google sends the browser back to',
  description:
    'A browser that asks for a page is sent to /login?error={code} when it did not work, as from the start already; ' +
    'codes are `sign_in_expired`, `sign_in_invalid`, `sign_in_denied`, `email_not_verified`, `email_in_use`, ' +
    '`account_being_deleted`, `google_unavailable` and `too_many_requests`.',
  responses: toBrowser('Signed in, and on to where the sign-in began'),
})
const logout = createRoute({
  method: 'post',
  path: '/auth/logout',
  tags: ['account'],
  summary: 'Sign out: session or bearer are good for nothing afterwards',
  responses: { 204: { description: 'Signed out' } },
})

export interface AuthDeps {
  ctx: Ctx
  vault: Vault
  google: Google
  cookie: SessionCookie
}

/** Coming and going: `/auth/logout` needs a signed-in person, the rest makes one. */
export function authRoutes({ ctx, vault, google, cookie }: AuthDeps) {
  const { webUrl } = ctx.settings
  const attempts = attemptCookie('signin', { webUrl, vault, clock: ctx.clock })

  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(start, async (c) => {
      const returnTo = returnPath(c.req.valid('query').returnTo, webUrl)
      const { url, attempt } = await google.start()
      await attempts.keep(c, attempt, returnTo)
      c.header('cache-control', 'no-store')
      return c.redirect(url.href, 302)
    })
    .openapi(callback, async (c) => {
      const attempt = await attempts.take(c)
      c.header('cache-control', 'no-store')
      try {
        if (attempt === undefined)
          throw invalidInput('This sign-in is over or began in another browser.', 'sign_in_expired')
        const identity = await google.finish(new URL(c.req.url).search, attempt)
        const { userId } = await signIn({ ctx, input: identity })
        await cookie.write(c, userId, { id: crypto.randomUUID(), startedAt: new Date() })
        return c.redirect(`${webUrl}${attempt.subject}`, 302)
      } catch (error) {
        const isPage = c.req.header('accept')?.includes('text/html') === true
        if (!isPage || !(error instanceof ServiceError)) throw error
        ctx.log.info({ code: error.code, err: error.cause }, 'sign-in refused')
        const query = new URLSearchParams({
          error: error.code,
          ...(attempt && { returnTo: attempt.subject }),
        })
        return c.redirect(`${webUrl}/login?${query}`, 302)
      }
    })
    .openapi(logout, async (c) => {
      await signOut({ ctx, input: { userId: c.get('user').id, ...c.get('bearer') } })
      cookie.clear(c)
      return c.body(null, 204)
    })
}
