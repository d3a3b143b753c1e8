import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Database } from '@yourclaw/db'
import type { PgBoss } from 'pg-boss'
import type { Ctx } from '../../../context.ts'
import { notFound } from '../../../errors.ts'
import { listDeadLetters, resendDeadLetter } from '../../../jobs/dead-letters.ts'
import { listAlerts } from '../../../services/operator/list-alerts.ts'
import type { OperatorEnv } from '../../middleware/operator.ts'
import { jsonResponse, refuseInvalid } from '../openapi.ts'

const alert = z.object({
  cause: z.string(),
  detail: z.string(),
  raisedAt: z.string(),
  endedAt: z.string().nullable(),
})
const letter = z.object({
  id: z.string(),
  channel: z.string(),
  messageId: z.string().optional(),
  diedAt: z.string(),
  code: z.string().optional(),
  meaning: z.string().optional(),
})
const tags = ['operator']

/** What waits for an operator: alerts, and messages that were given up. */
export function operatorDutyRoutes({ ctx, db, boss }: { ctx: Ctx; db: Database; boss: PgBoss }) {
  return new OpenAPIHono<OperatorEnv>({ defaultHook: refuseInvalid })
    .openapi(
      createRoute({
        method: 'get',
        path: '/operator/alerts',
        tags,
        summary: 'What lasts, and then what is over',
        responses: jsonResponse(200, z.object({ alerts: z.array(alert) }), 'Newest first'),
      }),
      async (c) => c.json({ alerts: await listAlerts({ ctx }) }, 200),
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/operator/dead-letters',
        tags,
        summary: 'Messages that were given up',
        responses: jsonResponse(
          200,
          z.object({ deadLetters: z.array(letter) }),
          'Oldest first, at most 1000',
        ),
      }),
      async (c) => {
        const letters = await listDeadLetters({ db, boss })
        const deadLetters = letters.map(({ diedAt, ...rest }) => ({ ...rest, diedAt: diedAt.toISOString() }))
        return c.json({ deadLetters }, 200)
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/operator/dead-letters/{id}/resend',
        tags,
        summary: 'Send one again, behind what waits for the same person',
        request: { params: z.object({ id: z.guid() }) },
        responses: jsonResponse(200, z.object({ resent: z.boolean() }), 'In its line'),
      }),
      async (c) => {
        const resent = await resendDeadLetter(
          { db, boss },
          { ...c.req.valid('param'), actor: c.get('actor') },
        )
        if (!resent) throw notFound('There is no such dead letter that can be read.', 'unknown_dead_letter')
        return c.json({ resent }, 200)
      },
    )
}
