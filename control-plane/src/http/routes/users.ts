import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { readProfile } from '../../services/account/read-profile.ts'
import { updateProfile } from '../../services/account/update-profile.ts'
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

/** Abbreviations and offsets mean different things to different programs; region names do not. */
const isTimeZone = (name: string) => {
  if (name !== 'UTC' && !name.includes('/')) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** The signed-in person. Every query is scoped by the caller's own id (I9). */
export function userRoutes(ctx: Ctx) {
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(
      createRoute({
        method: 'get',
        path: '/users/me',
        tags: ['account'],
        summary: 'Who I am, with channels, subscription and credit',
        responses: jsonResponse(200, profile, 'The profile'),
      }),
      async (c) => c.json(await readProfile({ ctx, input: { userId: c.get('user').id } }), 200),
    )
    .openapi(
      createRoute({
        method: 'patch',
        path: '/users/me',
        tags: ['account'],
        summary: 'Change name or time zone',
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
}
