import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { offeredModels } from '../../services/model/catalogue.ts'
import { listPrice } from '../../services/model/price.ts'
import { jsonResponse } from './openapi.ts'

const model = z
  .object({
    id: z.string(),
    provider: z.enum(['ANTHROPIC', 'OPENAI', 'GOOGLE']),
    name: z.string(),
    default: z.boolean(),
    price: z
      .object({ inputMicros: z.number().int(), outputMicros: z.number().int() })
      .optional()
      .openapi({ description: 'Micro-dollars per million tokens of a short call' }),
    usableWith: z
      .array(z.enum(['SHARED', 'OWN']))
      .openapi({ description: 'SHARED: on your credit. OWN: with a key of your own' }),
    retiredOn: z.string().optional().openapi({ description: 'The day its provider stops serving it' }),
    replacedBy: z.string().optional(),
  })
  .openapi('Model')

/** The models on offer. */
export function modelRoutes(ctx: Ctx) {
  return new OpenAPIHono().openapi(
    createRoute({
      method: 'get',
      path: '/models',
      tags: ['assistant'],
      summary: 'The models one can choose, with price and which keys allow them',
      security: [],
      responses: jsonResponse(200, z.object({ models: z.array(model) }), 'The models on offer'),
    }),
    (c) => {
      const nowMs = ctx.clock.now()
      const models = offeredModels(nowMs).map(({ default: isDefault = false, ...offered }) => {
        const price = listPrice(offered.id, new Date(nowMs))
        // What has no price cannot be charged, so it does not run on the platform's key.
        const isShared = price !== undefined && ctx.settings.sharedProviders.includes(offered.provider)
        const usableWith = isShared ? (['SHARED', 'OWN'] as const) : (['OWN'] as const)
        return { ...offered, default: isDefault, ...(price && { price }), usableWith: [...usableWith] }
      })
      return c.json({ models }, 200)
    },
  )
}
