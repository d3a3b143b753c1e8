import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../../context.ts'
import { credit } from '../../../services/operator/credit.ts'
import { inspectAssistant } from '../../../services/operator/inspect-assistant.ts'
import { type LimitChange, limitAssistant } from '../../../services/operator/limit-assistant.ts'
import { listAssistants } from '../../../services/operator/list-assistants.ts'
import { resume, suspend } from '../../../services/operator/suspend.ts'
import type { OperatorEnv } from '../../middleware/operator.ts'
import { assistantView } from '../assistants.ts'
import { jsonBody, jsonResponse, refuseInvalid } from '../openapi.ts'

const status = z.enum(['NONE', 'PROVISIONING', 'READY', 'ERROR'])
const text = z.string().nullable()
const figure = z.number().nullable()
const line = z.object({
  userId: z.string(),
  email: z.string(),
  status,
  host: text,
  model: z.string(),
  suspendedFor: z.array(z.string()),
  lastErrorCode: text,
  updatedAt: z.string(),
})
const inspection = assistantView
  .extend({
    userId: z.string(),
    email: z.string(),
    assistantId: text,
    observedGeneration: z.number(),
    containerId: text,
    limits: z.object({ memoryMb: figure, cpuMillis: figure, pids: figure, logMb: figure }),
    image: text,
    suspendedNote: text,
    subscription: text,
    waitingMessages: z.number(),
    changes: z.array(
      z.object({
        at: z.string(),
        generation: z.number(),
        kind: z.string(),
        status: z.string(),
        step: z.string(),
        error: text,
      }),
    ),
    audit: z.array(z.object({ at: z.string(), actor: z.string(), action: z.string(), reason: text })),
  })
  .openapi('AssistantInspection')
const tags = ['operator']
const params = z.object({ user: z.string().min(1).max(320).openapi({ description: 'Id or e-mail address' }) })
const why = jsonBody(z.object({ reason: z.string().trim().min(1).max(500) }))
/** Ranges are the verb's to check. */
const limit = z.int().nullable().optional().openapi({ description: 'null = what hosts give everybody' })
const newLimits = z.object({ memoryMb: limit, cpuMillis: limit, pids: limit, logMb: limit })
const changed = z.object({ changed: z.boolean(), stillSuspendedFor: z.array(z.string()).optional() })

export function operatorAssistantRoutes(ctx: Ctx) {
  return new OpenAPIHono<OperatorEnv>({ defaultHook: refuseInvalid })
    .openapi(
      createRoute({
        method: 'get',
        path: '/operator/assistants',
        tags,
        summary: 'Assistants, the latest changed first',
        request: {
          query: z.object({
            host: z.string().max(63).optional(),
            status: status.optional(),
            suspended: z.stringbool().optional(),
          }),
        },
        responses: jsonResponse(200, z.object({ assistants: z.array(line) }), 'At most 500'),
      }),
      async (c) => c.json({ assistants: await listAssistants({ ctx, input: c.req.valid('query') }) }, 200),
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/operator/assistants/{user}',
        tags,
        summary: 'One person’s assistant, its changes and what operators did',
        request: { params },
        responses: jsonResponse(200, inspection, 'No message, key or token'),
      }),
      async (c) => {
        const { user } = c.req.valid('param')
        return c.json(await inspectAssistant({ ctx, input: { user } }), 200)
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/operator/assistants/{user}/suspend',
        tags,
        summary: 'Stop it and keep its data; its messages wait',
        request: { params, ...why },
        responses: jsonResponse(200, changed, 'Stopping'),
      }),
      async (c) => {
        const input = { ...c.req.valid('param'), ...c.req.valid('json'), actor: c.get('actor') }
        return c.json(await suspend({ ctx, input }), 200)
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/operator/assistants/{user}/resume',
        tags,
        summary: 'Let it run again, unless something else keeps it stopped',
        request: { params, ...why },
        responses: jsonResponse(200, changed, 'On its way, or why not'),
      }),
      async (c) => {
        const input = { ...c.req.valid('param'), ...c.req.valid('json'), actor: c.get('actor') }
        return c.json(await resume({ ctx, input }), 200)
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/operator/assistants/{user}/limits',
        tags,
        summary: 'Give it other bounds than everybody’s; what is not named stays',
        request: {
          params,
          ...jsonBody(z.object({ limits: newLimits, reason: z.string().trim().min(1).max(500) })),
        },
        responses: jsonResponse(
          200,
          z.object({ changed: z.boolean() }),
          'Applied while it runs, its log later',
        ),
      }),
      async (c) => {
        const { limits, reason } = c.req.valid('json')
        const input = { ...c.req.valid('param'), limits: namedOf(limits), reason, actor: c.get('actor') }
        return c.json(await limitAssistant({ ctx, input }), 200)
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/operator/users/{user}/credit',
        tags,
        summary: 'Add to a person’s credit, or take from it; once a reference',
        request: {
          params,
          ...jsonBody(
            z.object({
              amountMicros: z.int(),
              reference: z.string().trim().min(1).max(100),
              reason: z.string().trim().min(1).max(500),
            }),
          ),
        },
        responses: jsonResponse(200, z.object({ isNew: z.boolean() }), 'In the ledger'),
      }),
      async (c) => {
        const { amountMicros, ...rest } = c.req.valid('json')
        const input = { ...c.req.valid('param'), ...rest, amountMicros: BigInt(amountMicros) }
        return c.json(await credit({ ctx, input: { ...input, actor: c.get('actor') } }), 200)
      },
    )
}

const namedOf = (limits: z.infer<typeof newLimits>): LimitChange =>
  Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
