import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { parsePhoneNumberFromString } from 'libphonenumber-js'
import type { Ctx } from '../../context.ts'
import { invalidInput } from '../../errors.ts'
import { type BindableChannel, startBinding } from '../../services/channel/start-binding.ts'
import { unbind } from '../../services/channel/unbind.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const channel = z.enum(['WHATSAPP', 'TELEGRAM'])
const started = z.object({ bindUrl: z.string(), code: z.string(), expiresAt: z.string() })

async function begin(ctx: Ctx, userId: string, channel: BindableChannel) {
  if (!ctx.settings.channels.includes(channel))
    throw invalidInput('This channel cannot be connected here.', 'channel_unavailable')
  const started = await startBinding({ ctx, input: { userId, channel } })
  return { ...started, expiresAt: started.expiresAt.toISOString() }
}

/** The number is only looked at: what binds is the code, sent from whichever phone has it (I1). */
function requirePhone(phone: string): void {
  if (!parsePhoneNumberFromString(phone)?.isPossible())
    throw invalidInput('Give the number with its country code, like +44 20 7946 0018.', 'invalid_phone')
}

/** Connecting a channel: nothing binds without proof of possession (I1). */
export function channelRoutes(ctx: Ctx) {
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(
      createRoute({
        method: 'post',
        path: '/users/me/channel',
        tags: ['account'],
        summary: 'Connect a chat: the link and the code that bind it',
        request: jsonBody(
          z.object({
            channel,
            contact: z
              .string()
              .max(200)
              .optional()
              .openapi({ description: 'Checked for a slip when it is a WhatsApp number, and not kept' }),
          }),
        ),
        responses: jsonResponse(200, started, 'A link that connects the chat it is opened in, once'),
      }),
      async (c) => {
        const { channel, contact } = c.req.valid('json')
        if (channel === 'WHATSAPP' && contact) requirePhone(contact)
        return c.json(await begin(ctx, c.get('user').id, channel), 200)
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/users/me/phone',
        tags: ['account'],
        summary: 'The old name of POST /users/me/channel for WhatsApp',
        request: jsonBody(z.object({ phone: z.string().max(50) })),
        responses: jsonResponse(200, started, 'A link that connects the chat it is opened in, once'),
      }),
      async (c) => {
        requirePhone(c.req.valid('json').phone)
        return c.json(await begin(ctx, c.get('user').id, 'WHATSAPP'), 200)
      },
    )
    .openapi(
      createRoute({
        method: 'delete',
        path: '/users/me/channel/{channel}',
        tags: ['account'],
        summary: 'Disconnect a chat',
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
