import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { plan } from '../../plan.ts'
import { jsonResponse } from './openapi.ts'

const view = z
  .object({
    priceCents: z.number().int(),
    currency: z.string(),
    trialDays: z.number().int(),
    welcomeCreditMicros: z.number().int(),
    graceDays: z.number().int(),
    retentionDays: z.number().int(),
    messagesPerDay: z.number().int(),
    messagesPerMinute: z.number().int(),
    proactivePerDay: z.number().int(),
    fileMegabytesInPerDay: z.number().int(),
    fileMegabytesOutPerDay: z.number().int(),
    listenedMinutesPerDay: z.number().int(),
  })
  .openapi('Plan')

/** What it costs and what one gets (B7). */
export function planRoutes({ settings }: Pick<Ctx, 'settings'>) {
  return new OpenAPIHono().openapi(
    createRoute({
      method: 'get',
      path: '/plan',
      tags: ['subscription'],
      summary: 'Price, trial, credit, limits and how long things are kept',
      security: [],
      responses: jsonResponse(200, view, 'The plan'),
    }),
    (c) => {
      const { deletionNoticeDays: _, leftoverDays: __, ...shown } = plan
      const { rateLimitPerDay: messagesPerDay, rateLimitPerMinute: messagesPerMinute } = settings
      return c.json({ ...shown, messagesPerDay, messagesPerMinute }, 200)
    },
  )
}
