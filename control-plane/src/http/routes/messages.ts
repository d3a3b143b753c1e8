import { randomUUID } from 'node:crypto'
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { invalidInput, ServiceError } from '../../errors.ts'
import type { Tokens } from '../../lib/tokens.ts'
import { maxFiles } from '../../services/attachment/limits.ts'
import type { ConversationCtx } from '../../services/conversation/ctx.ts'
import { listMessages } from '../../services/conversation/list-messages.ts'
import { stopTurn } from '../../services/conversation/stop-turn.ts'
import { takeWritten } from '../../services/conversation/take-written.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { attachmentSchema, createFileUrls } from './files.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const maxTextLength = 32_000

const message = z.object({
  id: z.string(),
  direction: z.enum(['INBOUND', 'OUTBOUND']),
  channel: z.enum(['WHATSAPP', 'TELEGRAM', 'WEB']),
  body: z.string(),
  at: z.string(),
  state: z.enum(['RECEIVED', 'ANSWERED', 'REFUSED', 'PENDING', 'SENT', 'DELIVERED', 'READ', 'FAILED']),
  attachments: z.array(attachmentSchema).optional(),
  stopped: z.literal(true).optional().openapi({ description: 'It is what was there when it was stopped' }),
  question: z
    .object({
      id: z.string(),
      options: z.array(z.object({ id: z.string(), label: z.string() })),
      expiresAt: z.string(),
      answer: z.string().optional().openapi({ description: 'The id of the option that was chosen' }),
    })
    .optional()
    .openapi({ description: 'What the message asks; answered once, before it expires' }),
})

const listRoute = createRoute({
  method: 'get',
  path: '/messages',
  tags: ['messages'],
  summary: 'The conversation, newest first, in pages',
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
  summary: 'Stop the answer that is being made',
  responses: jsonResponse(202, z.object({ stopping: z.boolean() }), 'Whether a turn runs that will now stop'),
})

/** The conversation of the signed-in person, the web being one more channel of it. */
export function messageRoutes({ ctx, tokens }: { ctx: ConversationCtx; tokens: Tokens }) {
  const withUrl = createFileUrls({ tokens, ctx })
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(listRoute, async (c) => {
      const { before, limit } = c.req.valid('query')
      const cursor = before === undefined ? undefined : BigInt(before)
      const page = await listMessages({ ctx, input: { userId: c.get('user').id, before: cursor, limit } })
      const messages = await Promise.all(
        page.messages.map(async ({ attachments, ...message }) =>
          attachments.length === 0
            ? message
            : { ...message, attachments: await Promise.all(attachments.map(withUrl)) },
        ),
      )
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
        throw new ServiceError(status, received.code, 'The message was stored but will not be answered.')
      }
      if (received.outcome === 'unknown_sender') throw new Error('a signed-in user without an assistant row')
      return c.json({ messageId: received.messageId }, 202)
    })
    .openapi(stopRoute, async (c) =>
      c.json(await stopTurn({ ctx, input: { userId: c.get('user').id } }), 202),
    )
}
