import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { readUsage } from '../../services/usage/read-usage.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonResponse } from './openapi.ts'

const count = z.number().int()
const tokens = z.object({ inputTokens: count, outputTokens: count })
const usage = z
  .object({
    today: z.object({ inbound: count, outbound: count, limit: count, resetsAt: z.string() }),
    minute: z.object({ inbound: count, limit: count, resetsAt: z.string().optional() }).openapi({
      description: 'Messages of the last minute; at `resetsAt` the oldest of them counts no more',
    }),
    days: z.array(
      tokens.extend({
        date: z.string(),
        inbound: count,
        outbound: count,
        costMicros: count,
        ownKey: tokens,
      }),
    ),
    models: z.array(tokens.extend({ model: z.string(), calls: count, costMicros: count })),
  })
  .openapi('Usage')

/** What the signed-in person used; a message over the day's limit is taken again at `today.resetsAt`. */
export function usageRoutes(ctx: Ctx) {
  return new OpenAPIHono<AuthenticatedEnv>().openapi(
    createRoute({
      method: 'get',
      path: '/usage',
      tags: ['usage'],
      summary: 'What was used, per day and per model',
      responses: jsonResponse(200, usage, 'Per day, in the user’s time zone'),
    }),
    async (c) => c.json(await readUsage({ ctx, input: { userId: c.get('user').id } }), 200),
  )
}
