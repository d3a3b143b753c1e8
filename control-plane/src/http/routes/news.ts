import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import type { Mailer } from '../../mail/mailer.ts'
import { setNewsConsent } from '../../services/mail/set-news-consent.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const consent = z.object({ consent: z.boolean() })

/** Whether the signed-in person wants news by mail; off unless they say so. */
export function newsRoutes({ ctx, mailer }: { ctx: Ctx; mailer: Mailer }) {
  const route = createRoute({
    method: 'put',
    path: '/users/me/news',
    tags: ['account'],
    summary: 'Agree to news by mail, or take that back',
    request: jsonBody(consent),
    responses: jsonResponse(200, consent, 'What holds now'),
  })
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid }).openapi(route, async (c) => {
    const input = c.req.valid('json')
    await setNewsConsent({ ctx, mailer, input: { userId: c.get('user').id, ...input } })
    return c.json(input, 200)
  })
}
