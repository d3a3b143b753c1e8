import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { readCredits } from '../../services/credit/read-credits.ts'
import { setCap } from '../../services/credit/set-cap.ts'
import { type OpenTopUpPage, startTopUp, topUpAmountsCents } from '../../services/credit/top-up.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const micros = z.number().int()
const credits = z
  .object({
    remainingMicros: micros,
    entries: z.array(
      z.object({ at: z.string(), amountMicros: micros, reason: z.string(), reference: z.string() }),
    ),
    cap: z.object({ monthlyMicros: micros.nullable(), spentMicros: micros, resetsAt: z.string() }),
  })
  .openapi('Credits')
const maxCapMicros = 100_000_000_000

/** Credit for calls on the platform's keys, in micro-dollars (1,000,000 = $1). */
export function creditRoutes({ ctx, openPage }: { ctx: Ctx; openPage: OpenTopUpPage | undefined }) {
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(
      createRoute({
        method: 'get',
        path: '/credits',
        tags: ['usage'],
        summary: 'What is left, and the ledger, newest first',
        responses: jsonResponse(
          200,
          credits,
          'Reasons: grant, top_up, refund, correction, usage (one a day)',
        ),
      }),
      async (c) => c.json(await readCredits({ ctx, input: { userId: c.get('user').id } }), 200),
    )
    .openapi(
      createRoute({
        method: 'put',
        path: '/credits/cap',
        tags: ['usage'],
        summary: 'Bound what is spent in a month; null takes the bound away',
        request: jsonBody(z.object({ monthlyMicros: micros.min(0).max(maxCapMicros).nullable() })),
        responses: jsonResponse(200, credits, 'As GET /credits'),
      }),
      async (c) => {
        const userId = c.get('user').id
        await setCap({ ctx, input: { userId, ...c.req.valid('json') } })
        return c.json(await readCredits({ ctx, input: { userId } }), 200)
      },
    )
    .openapi(
      createRoute({
        method: 'post',
        path: '/credits/top-up',
        tags: ['usage'],
        summary: 'Buy credit',
        request: jsonBody(
          z.object({
            amountCents: z.literal([...topUpAmountsCents]).openapi({ enum: [...topUpAmountsCents] }),
          }),
        ),
        responses: jsonResponse(200, z.object({ url: z.string() }), 'Where to pay; credited once it is paid'),
      }),
      async (c) => {
        const input = { userId: c.get('user').id, ...c.req.valid('json') }
        return c.json(await startTopUp({ ctx, openPage, input }), 200)
      },
    )
}
