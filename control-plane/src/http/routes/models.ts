import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { offeredModels } from '../../services/model/catalogue.ts'
import { jsonResponse } from './openapi.ts'

const model = z.object({
  id: z.string(),
  provider: z.enum(['ANTHROPIC', 'OPENAI', 'GOOGLE']),
  name: z.string(),
  default: z.boolean(),
})

/** The models on offer. */
export function modelRoutes(ctx: Ctx) {
  return new OpenAPIHono().openapi(
    createRoute({
      method: 'get',
      path: '/models',
      tags: ['assistant'],
      summary: 'The models one can choose',
      security: [],
      responses: jsonResponse(200, z.object({ models: z.array(model) }), 'The models on offer'),
    }),
    (c) => {
      const offered = offeredModels(ctx.clock.now())
      return c.json(
        {
          models: offered.map(({ id, provider, name, default: isDefault = false }) => ({
            id,
            provider,
            name,
            default: isDefault,
          })),
        },
        200,
      )
    },
  )
}
