import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { readProfile } from '../../services/account/read-profile.ts'
import { updateProfile } from '../../services/account/update-profile.ts'
import { listMessages } from '../../services/conversation/list-messages.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const channel = z.enum(['WHATSAPP', 'TELEGRAM', 'WEB'])
const profile = z
  .object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    timeZone: z.string(),
    channels: z.array(
      z.object({
        channel,
        state: z.enum(['PENDING', 'BOUND']),
        address: z.string().optional(),
        username: z.string().optional(),
        boundAt: z.string().optional(),
      }),
    ),
    subscription: z
      .object({
        status: z.enum(['ACTIVE', 'PAST_DUE', 'CANCELED']),
        trialEnd: z.string().optional(),
        currentPeriodEnd: z.string().optional(),
        cancelAtPeriodEnd: z.boolean(),
      })
      .nullable(),
    credits: z.object({ remainingMicros: z.number() }),
  })
  .openapi('Profile')

const isTimeZone = (name: string) => {
  // PostgreSQL reads an offset with the opposite sign, so only names.
  if (!/^[a-z]/i.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

const message = z.object({
  id: z.string(),
  direction: z.enum(['INBOUND', 'OUTBOUND']),
  channel,
  body: z.string(),
  at: z.string(),
  state: z.enum(['RECEIVED', 'ANSWERED', 'REFUSED', 'PENDING', 'SENT', 'DELIVERED', 'READ', 'FAILED']),
})

/** The signed-in person and their conversation. Every query is scoped by the caller's own id (I9). */
export function userRoutes(ctx: Ctx) {
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(
      createRoute({ method: 'get', path: '/users/me', responses: jsonResponse(200, profile, 'The profile') }),
      async (c) => c.json(await readProfile({ ctx, input: { userId: c.get('user').id } }), 200),
    )
    .openapi(
      createRoute({
        method: 'patch',
        path: '/users/me',
        request: jsonBody(
          z.object({
            name: z.string().trim().max(200).optional(),
            timeZone: z.string().max(100).refine(isTimeZone, 'is not an IANA time zone').optional(),
          }),
        ),
        responses: jsonResponse(200, profile, 'The changed profile'),
      }),
      async (c) =>
        c.json(
          await updateProfile({ ctx, input: { userId: c.get('user').id, ...c.req.valid('json') } }),
          200,
        ),
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/messages',
        request: {
          query: z.object({
            before: z
              .string()
              .regex(/^\d{1,18}$/)
              .optional(),
            limit: z.coerce.number().int().min(1).max(200).default(50),
          }),
        },
        responses: jsonResponse(
          200,
          z.object({ messages: z.array(message), nextBefore: z.string().optional() }),
          'One page, newest first',
        ),
      }),
      async (c) => {
        const { before, limit } = c.req.valid('query')
        const cursor = before === undefined ? undefined : BigInt(before)
        return c.json(
          await listMessages({ ctx, input: { userId: c.get('user').id, before: cursor, limit } }),
          200,
        )
      },
    )
}
