import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { jsonResponse } from './openapi.ts'

const chats = z.object({
  channels: z.array(z.object({ channel: z.enum(['TELEGRAM', 'WHATSAPP']), url: z.string() })),
})

/** Where one writes: the messengers that are on here, each with the address of its chat. */
export function chatRoutes({ settings }: Pick<Ctx, 'settings'>) {
  const channels = (['TELEGRAM', 'WHATSAPP'] as const)
    .filter((channel) => settings.channels.includes(channel))
    .map((channel) => ({ channel, url: settings.chatUrls[channel] }))
  return new OpenAPIHono().openapi(
    createRoute({
      method: 'get',
      path: '/channels',
      tags: ['account'],
      summary: 'The messengers one can connect, and where the chat with the assistant is',
      security: [],
      responses: jsonResponse(200, chats, 'Those that are on'),
    }),
    (c) => c.json({ channels }, 200),
  )
}
