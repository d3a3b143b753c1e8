import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import type { Notifications } from '../../lib/notifications.ts'
import { readProfile } from '../../services/account/read-profile.ts'
import { requestDeletion } from '../../services/account/request-deletion.ts'
import { signOut } from '../../services/account/sign-out.ts'
import { updateProfile } from '../../services/account/update-profile.ts'
import { readExport } from '../../services/export/read-export.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import type { SessionCookie } from '../middleware/session.ts'
import { liveEvents } from './live.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const channel = z.enum(['WHATSAPP', 'TELEGRAM', 'WEB'])
const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'is not a time like 22:00')
const quietHours = z
  .object({ from: time, until: time })
  .openapi({ description: 'In the person’s own time; from 22:00 until 07:00 goes over midnight' })
const profile = z
  .object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    timeZone: z.string(),
    proactive: z.boolean().openapi({ description: 'Whether the assistant may speak first' }),
    proactiveChannel: channel.nullable(),
    quietHours: quietHours.nullable(),
    fallbackModel: z.string().nullable(),
    news: z.boolean().openapi({ description: 'Whether news by mail were asked for' }),
    channels: z.array(
      z.object({
        channel,
        state: z.enum(['PENDING', 'BOUND']),
        address: z.string().optional(),
        username: z.string().optional(),
        phone: z.string().optional().openapi({ description: 'Its number, as people write it' }),
        optedOutAt: z.string().optional().openapi({
          description: 'Since when nothing is sent there: the person wrote STOP, and has not written START',
        }),
        boundAt: z.string().optional(),
        refusal: z
          .enum(['address_taken'])
          .optional()
          .openapi({ description: 'The code came from a chat that is connected to another account' }),
      }),
    ),
    subscription: z
      .object({
        status: z.enum(['ACTIVE', 'PAST_DUE', 'CANCELED']),
        trialEnd: z.string().optional(),
        currentPeriodEnd: z.string().optional(),
        cancelAtPeriodEnd: z.boolean(),
        graceEnd: z
          .string()
          .optional()
          .openapi({ description: 'PAST_DUE: the assistant goes on until then' }),
        deleteAfter: z
          .string()
          .optional()
          .openapi({ description: 'The assistant is suspended for want of payment, and deleted after this' }),
      })
      .nullable(),
    credits: z.object({ remainingMicros: z.number() }),
    features: z
      .object({ google: z.boolean() })
      .openapi({ description: 'Whether there is something to see of Google’s services' }),
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

const change = z.object({
  name: z.string().trim().max(200).optional(),
  timeZone: z.string().max(100).refine(isTimeZone, 'is not an IANA time zone').optional(),
  proactive: z.boolean().optional().openapi({ description: 'Whether the assistant may speak first' }),
  proactiveChannel: channel
    .nullable()
    .optional()
    .openapi({ description: 'Where the assistant speaks first; null = where the person wrote last' }),
  quietHours: quietHours.nullable().optional(),
  fallbackModel: z
    .string()
    .max(100)
    .nullable()
    .optional()
    .openapi({ description: 'Answers while the chosen model cannot' }),
})

const get = createRoute({
  method: 'get',
  path: '/users/me',
  tags: ['account'],
  summary: 'Who I am, with channels, subscription and credit',
  responses: jsonResponse(200, profile, 'The profile'),
})
const patch = createRoute({
  method: 'patch',
  path: '/users/me',
  tags: ['account'],
  summary: 'Change what is given; null takes it away',
  request: jsonBody(change),
  responses: jsonResponse(200, profile, 'The changed profile'),
})
const remove = createRoute({
  method: 'delete',
  path: '/users/me',
  tags: ['account'],
  summary: 'Delete the account with everything in it: ends the session at once, and mails when all is gone',
  request: jsonBody(
    z.object({ email: z.string().max(320).openapi({ description: 'The account’s address, typed' }) }),
  ),
  responses: jsonResponse(202, z.object({ deletion: z.enum(['REQUESTED']) }), 'It has begun'),
})
const events = createRoute({
  method: 'get',
  path: '/users/me/events',
  tags: ['account'],
  summary: 'Profile and export, live',
  responses: {
    200: {
      description:
        'Server-sent events: `profile` as GET /users/me has it (a chat that is connected, a subscription that changes) ' +
        'and `export` as GET /users/me/export; each at once, and again whenever it changed',
      content: { 'text/event-stream': { schema: z.string() } },
    },
  },
})

/** The signed-in person. Every query is scoped by the caller's own id (I9). */
export function userRoutes({
  ctx,
  notifications,
  cookie,
}: {
  ctx: Ctx
  notifications: Notifications
  cookie: SessionCookie
}) {
  const app = new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
  app.openapi(events, (c) => {
    const input = { userId: c.get('user').id }
    return liveEvents(c, { ctx, notifications }, 'user', async () => ({
      profile: await readProfile({ ctx, input }),
      export: await readExport({ ctx, input }),
    }))
  })
  return app
    .openapi(get, async (c) => c.json(await readProfile({ ctx, input: { userId: c.get('user').id } }), 200))
    .openapi(patch, async (c) => {
      const input = { userId: c.get('user').id, change: c.req.valid('json') }
      return c.json(await updateProfile({ ctx, input }), 200)
    })
    .openapi(remove, async (c) => {
      const userId = c.get('user').id
      await requestDeletion({ ctx, input: { userId, ...c.req.valid('json') } })
      await signOut({ ctx, input: { userId, ...c.get('bearer') } })
      cookie.clear(c)
      return c.json({ deletion: 'REQUESTED' as const }, 202)
    })
}
