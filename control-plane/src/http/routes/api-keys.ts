import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import type { Vault } from '../../lib/vault.ts'
import { type CheckKey, keyProviders } from '../../services/api-key/check-key.ts'
import { listKeys } from '../../services/api-key/list-keys.ts'
import { removeKey } from '../../services/api-key/remove-key.ts'
import { storeKey } from '../../services/api-key/store-key.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const provider = z.enum(keyProviders)
const keys = z
  .object({
    keys: z.array(z.object({ provider, createdAt: z.string(), invalidSince: z.string().optional() })),
  })
  .openapi('ApiKeys')
/** It travels in a header: visible ASCII alone. */
const key = z
  .string()
  .trim()
  .regex(/^[\x21-\x7e]{8,512}$/, 'is not a key')

/** Keys of one's own for model providers. No answer ever holds a key (S7). */
export function apiKeyRoutes({ ctx, vault, checkKey }: { ctx: Ctx; vault: Vault; checkKey: CheckKey }) {
  const listed = async (userId: string) => ({ keys: await listKeys({ ctx, input: { userId } }) })
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(
      createRoute({
        method: 'get',
        path: '/api-keys',
        tags: ['keys'],
        summary: 'My own keys, without their values',
        responses: jsonResponse(200, keys, 'Which providers there is a key of'),
      }),
      async (c) => c.json(await listed(c.get('user').id), 200),
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/api-keys',
        tags: ['keys'],
        summary: 'Bring a key; its provider is asked first, and it is used at once',
        request: jsonBody(z.object({ provider, key })),
        responses: jsonResponse(201, keys, 'Stored'),
      }),
      async (c) => {
        const userId = c.get('user').id
        await storeKey({ ctx, vault, checkKey, input: { userId, ...c.req.valid('json') } })
        return c.json(await listed(userId), 201)
      },
    )
    .openapi(
      createRoute({
        method: 'delete',
        path: '/api-keys/{provider}',
        tags: ['keys'],
        summary: 'Take a key away; says what its provider’s models run on from now on',
        request: { params: z.object({ provider }) },
        responses: jsonResponse(
          200,
          z.object({ fallsBackTo: z.enum(['SHARED', 'NONE']) }),
          'SHARED: the platform’s key and your credit. NONE: models of this provider stop working',
        ),
      }),
      async (c) => {
        const input = { userId: c.get('user').id, ...c.req.valid('param') }
        return c.json(await removeKey({ ctx, input }), 200)
      },
    )
}
