import { createHash } from 'node:crypto'
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { sendFeedback } from '../../services/feedback/send-feedback.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const feedback = z.object({
  kind: z
    .enum(['FEEDBACK', 'TOOL'])
    .openapi({ description: 'TOOL: something the assistant should be able to do' }),
  text: z.string().trim().min(1).max(4_000),
})

/** What a person wants to tell the people who run this. */
export function feedbackRoutes(ctx: Ctx) {
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid }).openapi(
    createRoute({
      method: 'post',
      path: '/feedback',
      tags: ['account'],
      summary: 'Tell the operators something, or ask for a tool',
      request: jsonBody(feedback),
      responses: jsonResponse(202, z.object({ sent: z.literal(true) }), 'They get it by mail'),
    }),
    async (c) => {
      const input = c.req.valid('json')
      // A form that is sent again says the same.
      const key = createHash('sha256').update(JSON.stringify(input)).digest('hex')
      await sendFeedback({ ctx, input: { userId: c.get('user').id, ...input, key } })
      return c.json({ sent: true as const }, 202)
    },
  )
}
