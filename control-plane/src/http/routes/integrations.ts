import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { invalidInput, ServiceError } from '../../errors.ts'
import type { IntegrationCtx } from '../../services/integration/ctx.ts'
import { disconnect } from '../../services/integration/disconnect.ts'
import { finishConnection } from '../../services/integration/finish-connection.ts'
import { serviceNames } from '../../services/integration/google-services.ts'
import { listIntegrations } from '../../services/integration/list-integrations.ts'
import { startConnection } from '../../services/integration/start-connection.ts'
import { listActions } from '../../services/tool/list-actions.ts'
import { listPermissions, revokePermission } from '../../services/tool/permissions.ts'
import { attemptCookie } from '../middleware/attempt-cookie.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonResponse, problem, refuseInvalid } from './openapi.ts'

const service = z.enum(serviceNames)
const byService = { params: z.object({ service }) }
const permission = z.object({ tool: z.string(), label: z.string(), since: z.string() })
const action = z.object({
  id: z.string(),
  tool: z.string(),
  summary: z.string(),
  state: z.enum(['ASKED', 'APPROVED', 'DONE', 'FAILED', 'REFUSED', 'EXPIRED']),
  at: z.string(),
  finishedAt: z.string().optional(),
  errorCode: z.string().optional(),
})
const toBrowser = (description: string) => ({
  302: { description },
  default: { description: 'An error', content: { 'application/json': { schema: problem } } },
})

const list = createRoute({
  method: 'get',
  path: '/integrations',
  tags: ['integrations'],
  summary: 'What is connected at Google, and what the assistant may do without asking',
  responses: jsonResponse(
    200,
    z.object({
      available: z.boolean(),
      services: z.array(
        z.object({
          service,
          name: z.string(),
          state: z.enum(['OFF', 'CONNECTED', 'LOST', 'DISCONNECTING']),
          account: z.string().optional(),
          connectedAt: z.string().optional(),
          missingScopes: z.array(z.string()),
        }),
      ),
      permissions: z.array(permission),
    }),
    'No answer ever holds a token',
  ),
})
const connect = createRoute({
  method: 'get',
  path: '/integrations/google/{service}/connect',
  tags: ['integrations'],
  summary: 'Connect a service: open it in the browser, at the web’s own address',
  request: byService,
  responses: toBrowser('On to Google'),
})
const callback = createRoute({
  method: 'get',
  path: '/integrations/google/{service}/callback',
  tags: ['integrations'],
  summary: 'Where Google sends the browser back to',
  description:
    'A browser that asks for a page is sent to /dashboard/integrations?service={service}&error={code} when it did not ' +
    'work; codes are `consent_denied`, `consent_incomplete`, `sign_in_expired`, `sign_in_invalid`, `not_entitled`, ' +
    '`disconnecting` and `google_unavailable`.',
  request: byService,
  responses: toBrowser('Connected, and back to the page of what is connected'),
})
const end = createRoute({
  method: 'delete',
  path: '/integrations/google/{service}',
  tags: ['integrations'],
  summary: 'Disconnect: the tools go at once, and the tokens are revoked at Google',
  request: byService,
  responses: jsonResponse(
    200,
    z.object({ state: z.enum(['OFF', 'DISCONNECTING']) }),
    'DISCONNECTING: Google does not answer right now and is asked again; nothing is used meanwhile',
  ),
})
const actions = createRoute({
  method: 'get',
  path: '/integrations/actions',
  tags: ['integrations'],
  summary: 'What the assistant did, or wanted to do, in my name; newest first, in pages',
  request: {
    query: z.object({
      before: z.uuid().optional(),
      limit: z.coerce.number().int().min(1).max(100).default(30),
    }),
  },
  responses: jsonResponse(
    200,
    z.object({ actions: z.array(action), nextBefore: z.string().optional() }),
    'One page',
  ),
})
const askAgain = createRoute({
  method: 'delete',
  path: '/integrations/permissions/{tool}',
  tags: ['integrations'],
  summary: 'Let the assistant ask again before it does this kind of thing',
  request: { params: z.object({ tool: z.string().regex(/^[a-z_]{1,64}$/) }) },
  responses: { 204: { description: 'It asks from now on' } },
})

/** Google’s services, connected one by one, and what the assistant does with them. */
export function integrationRoutes(ctx: IntegrationCtx) {
  const { webUrl } = ctx.settings
  const page = `${webUrl}/dashboard/integrations`
  const cookieOf = (name: z.infer<typeof service>) =>
    attemptCookie(`connect_${name}`, { webUrl, vault: ctx.vault, clock: ctx.clock })

  /** A browser is sent to the page that has words for the code; a program gets the problem. */
  async function orBack(c: Context, service: string, work: () => Promise<string>): Promise<Response> {
    c.header('cache-control', 'no-store')
    try {
      return c.redirect(await work(), 302)
    } catch (error) {
      const isPage = c.req.header('accept')?.includes('text/html') === true
      if (!isPage || !(error instanceof ServiceError)) throw error
      ctx.log.info({ code: error.code, err: error.cause }, 'a connection was refused')
      return c.redirect(`${page}?${new URLSearchParams({ service, error: error.code })}`, 302)
    }
  }

  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(list, async (c) => {
      const input = { userId: c.get('user').id }
      const permissions = await listPermissions({ ctx, input })
      return c.json({ ...(await listIntegrations({ ctx, input })), permissions }, 200)
    })
    .openapi(connect, (c) => {
      const { service } = c.req.valid('param')
      const userId = c.get('user').id
      return orBack(c, service, async () => {
        const { url, attempt } = await startConnection({ ctx, input: { userId, service } })
        await cookieOf(service).keep(c, attempt, userId)
        return url.href
      })
    })
    .openapi(callback, (c) => {
      const { service } = c.req.valid('param')
      const userId = c.get('user').id
      return orBack(c, service, async () => {
        const attempt = await cookieOf(service).take(c)
        // Somebody else may have signed in meanwhile: what they get must not be another person's mail.
        if (attempt?.subject !== userId)
          throw invalidInput('This connection is over or began in another browser.', 'sign_in_expired')
        const query = new URL(c.req.url).search
        await finishConnection({ ctx, input: { userId, service, query, attempt } })
        return `${page}?connected=${service}`
      })
    })
    .openapi(end, async (c) => {
      const input = { userId: c.get('user').id, service: c.req.valid('param').service }
      return c.json(await disconnect({ ctx, input }), 200)
    })
    .openapi(actions, async (c) =>
      c.json(await listActions({ ctx, input: { userId: c.get('user').id, ...c.req.valid('query') } }), 200),
    )
    .openapi(askAgain, async (c) => {
      await revokePermission({ ctx, input: { userId: c.get('user').id, ...c.req.valid('param') } })
      return c.body(null, 204)
    })
}
