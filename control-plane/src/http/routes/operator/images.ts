import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../../context.ts'
import { listImages } from '../../../services/operator/list-images.ts'
import { pinImage } from '../../../services/operator/pin-image.ts'
import { rollImage } from '../../../services/operator/roll-image.ts'
import type { OperatorEnv } from '../../middleware/operator.ts'
import { jsonBody, jsonResponse, refuseInvalid } from '../openapi.ts'

const image = z
  .string()
  .max(300)
  .nullable()
  .openapi({ description: 'name@sha256:… or sha256:…; null = what each host runs by default' })
const view = z.object({ image, isPinned: z.boolean(), assistants: z.number() })
const tags = ['operator']

/** What assistants run. */
export function operatorImageRoutes(ctx: Ctx) {
  return new OpenAPIHono<OperatorEnv>({ defaultHook: refuseInvalid })
    .openapi(
      createRoute({
        method: 'get',
        path: '/operator/images',
        tags,
        summary: 'The image that new assistants run, and those that others still run',
        responses: jsonResponse(200, z.object({ images: z.array(view) }), 'The pinned one first'),
      }),
      async (c) => c.json({ images: await listImages({ ctx }) }, 200),
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/operator/images',
        tags,
        summary: 'Pin the image that new assistants run',
        request: jsonBody(z.object({ image, reason: z.string().trim().min(1).max(500) })),
        responses: jsonResponse(200, z.object({ changed: z.boolean() }), 'Those that are there go on'),
      }),
      async (c) => {
        const input = { ...c.req.valid('json'), actor: c.get('actor') }
        return c.json(await pinImage({ ctx, input }), 200)
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/operator/images/roll',
        tags,
        summary: 'Move assistants that are there to the pinned image',
        request: jsonBody(
          z.object({
            user: z.string().min(1).max(320).optional(),
            host: z.string().min(1).max(63).optional(),
            count: z.int().min(1).max(1_000),
          }),
        ),
        responses: jsonResponse(
          200,
          z.object({ rolled: z.number(), left: z.number() }),
          'On their way; left are those that still run another',
        ),
      }),
      async (c) => {
        const input = { ...c.req.valid('json'), actor: c.get('actor') }
        return c.json(await rollImage({ ctx, input }), 200)
      },
    )
}
