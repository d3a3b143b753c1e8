import { randomUUID } from 'node:crypto'
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { invalidInput, ServiceError } from '../../errors.ts'
import type { Notifications } from '../../lib/notifications.ts'
import type { Tokens } from '../../lib/tokens.ts'
import type { LiveAnswers } from '../../live/answers.ts'
import { maxFiles } from '../../services/attachment/limits.ts'
import type { ConversationCtx } from '../../services/conversation/ctx.ts'
import { listMessages } from '../../services/conversation/list-messages.ts'
import { stopTurn } from '../../services/conversation/stop-turn.ts'
import { takeWritten } from '../../services/conversation/take-written.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { createFileUrls } from './files.ts'
import { messageEvents, positionPattern } from './message-events.ts'
import { foundSchema, withUrls } from './message-view.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const maxTextLength = 32_000

const listRoute = createRoute({
  method: 'get',
  path: '/messages',
  tags: ['messages'],
  summary: 'The conversation, newest first, in pages; with `q` what holds it',
  request: {
    query: z.object({
      before: z
        .string()
        .regex(/^\d{1,18}$/)
        .optional(),
      q: z.string().trim().min(1).max(200).optional().openapi({
        description:
          'A part of the text as it is read; a page may then be empty and have a `nextBefore`. 60 a minute, then 429 `too_many_searches`',
      }),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
  },
  responses: jsonResponse(
    200,
    z.object({ messages: z.array(foundSchema), nextBefore: z.string().optional() }),
    'One page, newest first',
  ),
})

const sendRoute = createRoute({
  method: 'post',
  path: '/messages',
  tags: ['messages'],
  summary: 'Write to the assistant; the web is a channel like the others',
  request: {
    headers: z.object({
      'idempotency-key': z
        .string()
        .min(1)
        .max(100)
        .optional()
        .openapi({ description: 'Sent once, whatever is retried' }),
    }),
    ...jsonBody(
      z
        .object({
          text: z.string().trim().max(maxTextLength).default(''),
          attachmentIds: z
            .array(z.uuid())
            .max(maxFiles)
            .default([])
            .openapi({ description: 'Of POST /attachments, in their order; each goes with one message' }),
        })
        .refine(({ text, attachmentIds }) => text !== '' || attachmentIds.length > 0, {
          path: ['text'],
          message: 'Say something, or send a file.',
        }),
    ),
  },
  responses: jsonResponse(
    202,
    z.object({ messageId: z.string() }),
    'Stored; the answer appears among the messages',
  ),
})

const stopRoute = createRoute({
  method: 'post',
  path: '/messages/stop',
  tags: ['messages'],
  summary: 'Stop the answer that is being made, or the one that waits to be; what is there of it is kept',
  responses: jsonResponse(
    202,
    z.object({ stopping: z.boolean() }),
    'Whether a turn ran, or waited to run, that will now stop',
  ),
})

const eventsRoute = createRoute({
  method: 'get',
  path: '/messages/events',
  tags: ['messages'],
  summary: 'The conversation, live',
  request: {
    query: z.object({
      after: z.string().regex(positionPattern).optional().openapi({
        description: 'The `seq` of a message, or the id of an event; absent = what comes from now on',
      }),
    }),
  },
  responses: {
    200: {
      description: [
        'Server-sent events. `message`: a new one; `change`: one of the last messages as it is now.',
        '`answer`: `{ turnId, offset, text }`, a piece of the answer that is being written; `text` replaces whatever',
        'stood from `offset` on, and is empty when somebody begins to write. The whole of it is the `message` with that',
        '`turnId`. Whoever comes back with',
        '`Last-Event-ID` or `after` gets what is missing, on any replica.',
      ].join(' '),
      content: { 'text/event-stream': { schema: z.string() } },
    },
  },
})

interface MessageDeps {
  ctx: ConversationCtx
  tokens: Tokens
  notifications: Notifications
  live: LiveAnswers
}

/** The conversation of the signed-in person, the web being one more channel of it. */
export function messageRoutes({ ctx, tokens, notifications, live }: MessageDeps) {
  const withUrl = createFileUrls({ tokens, ctx })
  const app = new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
  app.openapi(eventsRoute, (c) =>
    messageEvents(c, { ctx, notifications, live, withUrl }, c.req.valid('query').after),
  )
  return app
    .openapi(listRoute, async (c) => {
      const { before, q: query, limit } = c.req.valid('query')
      const cursor = before === undefined ? undefined : BigInt(before)
      const page = await listMessages({
        ctx,
        input: { userId: c.get('user').id, before: cursor, query, limit },
      })
      const messages = await Promise.all(page.messages.map((message) => withUrls(message, withUrl)))
      return c.json({ ...page, messages }, 200)
    })
    .openapi(sendRoute, async (c) => {
      if (!ctx.settings.channels.includes('WEB'))
        throw invalidInput('Messages cannot be sent from here.', 'channel_unavailable')
      const { id: address } = c.get('user')
      const { text, attachmentIds } = c.req.valid('json')
      const key = c.req.valid('header')['idempotency-key'] ?? randomUUID()
      const received = await takeWritten({
        ctx,
        input: {
          channel: 'WEB',
          address,
          // The person's own id keeps keys of different people apart.
          providerMessageId: `${address}:${key}`,
          body: text,
          attachmentIds,
          traceParent: c.get('traceParent'),
        },
      })
      if (received.outcome === 'refused') {
        const status = received.code === 'not_entitled' ? 402 : received.code === 'no_assistant' ? 409 : 429
        throw new ServiceError(
          status,
          received.code,
          received.text ?? 'The message was stored but will not be answered.',
        )
      }
      if (received.outcome === 'unknown_sender') throw new Error('a signed-in user without an assistant row')
      return c.json({ messageId: received.messageId }, 202)
    })
    .openapi(stopRoute, async (c) =>
      c.json(await stopTurn({ ctx, input: { userId: c.get('user').id } }), 202),
    )
}
