import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import type { Notifications } from '../../lib/notifications.ts'
import type { Vault } from '../../lib/vault.ts'
import { changeModel } from '../../services/assistant/change-model.ts'
import { createAssistant } from '../../services/assistant/create-assistant.ts'
import { deleteAssistant } from '../../services/assistant/delete-assistant.ts'
import { getAssistant } from '../../services/assistant/get-assistant.ts'
import { restartAssistant } from '../../services/assistant/restart-assistant.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { liveEvents } from './live.ts'
import { refuseInvalid } from './openapi.ts'

export const assistantView = z
  .object({
    status: z.enum(['NONE', 'PROVISIONING', 'READY', 'ERROR']),
    createdAt: z.string().optional().openapi({ description: 'When it was asked for; absent with NONE' }),
    model: z.string(),
    generation: z.number().int(),
    host: z.string().optional(),
    lastError: z.object({ code: z.string(), detail: z.string() }).optional(),
    suspended: z
      .object({ since: z.string(), reasons: z.array(z.string()) })
      .optional()
      .openapi({ description: 'Stopped, its data kept; messages wait' }),
    job: z
      .object({
        id: z.string(),
        status: z.enum(['PENDING', 'RUNNING', 'COMPLETED', 'FAILED']),
        attempts: z.number().int(),
        step: z.string(),
      })
      .optional(),
  })
  .openapi('Assistant')

const answer = (description: string) => ({
  description,
  content: { 'application/json': { schema: assistantView } },
})
const json = <T extends z.ZodType>(schema: T) => ({ content: { 'application/json': { schema } } })
const chosen = z.object({ model: z.string() })

const get = createRoute({
  method: 'get',
  path: '/assistants',
  tags: ['assistant'],
  summary: 'The user’s assistant',
  responses: { 200: answer('Its state; NONE without one') },
})
const create = createRoute({
  method: 'post',
  path: '/assistants',
  tags: ['assistant'],
  summary: 'Create the user’s assistant, or try a failed one again',
  request: { body: json(chosen.partial()) },
  responses: { 202: answer('On its way') },
})
const change = createRoute({
  method: 'patch',
  path: '/assistants',
  tags: ['assistant'],
  summary: 'Choose the model',
  request: { body: { required: true, ...json(chosen) } },
  responses: { 200: answer('Changed') },
})
const remove = createRoute({
  method: 'delete',
  path: '/assistants',
  tags: ['assistant'],
  summary: 'Delete the assistant with its memory and files; the messages stay',
  responses: { 202: answer('NONE once its host has confirmed it') },
})
const restart = createRoute({
  method: 'post',
  path: '/assistants/restart',
  tags: ['assistant'],
  summary: 'Restart the assistant',
  responses: { 202: answer('On its way') },
})

const events = createRoute({
  method: 'get',
  path: '/assistants/events',
  tags: ['assistant'],
  summary: 'The user’s assistant, live',
  responses: {
    200: {
      description:
        'Server-sent events named `assistant`, each with the whole state as JSON; the first comes at once',
      content: { 'text/event-stream': { schema: z.string() } },
    },
  },
})

/** Everything here is the signed-in user's own: no route takes an id (I9). */
export function assistantRoutes({
  ctx,
  vault,
  notifications,
}: {
  ctx: Ctx
  vault: Vault
  notifications: Notifications
}) {
  const app = new OpenAPIHono<AuthenticatedEnv>({
    defaultHook: refuseInvalid,
  })
  const now = (userId: string) => getAssistant({ ctx, input: { userId } })

  app.openapi(events, (c) => {
    const userId = c.get('user').id
    return liveEvents(c, { ctx, notifications }, 'assistant', async () => ({ assistant: await now(userId) }))
  })
  return app
    .openapi(get, async (c) => c.json(await now(c.get('user').id), 200))
    .openapi(create, async (c) => {
      const userId = c.get('user').id
      await createAssistant({ ctx, vault, input: { userId, ...c.req.valid('json') } })
      return c.json(await now(userId), 202)
    })
    .openapi(change, async (c) => {
      const userId = c.get('user').id
      await changeModel({ ctx, input: { userId, ...c.req.valid('json') } })
      return c.json(await now(userId), 200)
    })
    .openapi(remove, async (c) => {
      const userId = c.get('user').id
      await deleteAssistant({ ctx, input: { userId } })
      return c.json(await now(userId), 202)
    })
    .openapi(restart, async (c) => {
      const userId = c.get('user').id
      await restartAssistant({ ctx, input: { userId } })
      return c.json(await now(userId), 202)
    })
}
