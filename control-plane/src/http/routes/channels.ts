import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { invalidInput } from '../../errors.ts'
import { startBinding } from '../../services/channel/start-binding.ts'
import { unbind } from '../../services/channel/unbind.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const channel = z.enum(['WHATSAPP', 'TELEGRAM'])

/** Connecting a channel: nothing binds without proof of possession (I1). */
export function channelRoutes(ctx: Ctx) {
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(
      createRoute({
        method: 'post',
        path: '/users/me/channel',
        request: jsonBody(z.object({ channel, contact: z.string().max(200).optional() })),
        responses: jsonResponse(
          200,
          z.object({ bindUrl: z.string(), code: z.string(), expiresAt: z.string() }),
          'A link that connects the chat it is opened in, once',
        ),
      }),
      async (c) => {
        const { channel } = c.req.valid('json')
        if (channel !== 'TELEGRAM')
          throw invalidInput('Only Telegram can be connected here.', 'channel_unavailable')
        const started = await startBinding({ ctx, input: { userId: c.get('user').id, channel } })
        return c.json({ ...started, expiresAt: started.expiresAt.toISOString() }, 200)
      },
    )
    .openapi(
      createRoute({
        method: 'delete',
        path: '/users/me/channel/{channel}',
        request: { params: z.object({ channel }) },
        responses: jsonResponse(200, z.object({ channel }), 'The channel is disconnected'),
      }),
      async (c) => {
        const { channel } = c.req.valid('param')
        await unbind({ ctx, input: { userId: c.get('user').id, channel } })
        return c.json({ channel }, 200)
      },
    )
}
