import { z } from '@hono/zod-openapi'
import { refusals } from '../../services/conversation/limits.ts'
import type { MessageView } from '../../services/conversation/view-message.ts'
import { attachmentSchema, type WithUrl } from './files.ts'

/** A message as the API shows it. */
export const messageSchema = z
  .object({
    id: z.string(),
    direction: z.enum(['INBOUND', 'OUTBOUND']),
    kind: z.enum(['CHAT', 'NOTICE']).openapi({
      description:
        'NOTICE: our own words, or what was said to us, as commands; no part of the talk with the assistant',
    }),
    channel: z.enum(['WHATSAPP', 'TELEGRAM', 'WEB']),
    body: z.string().openapi({ description: 'Markdown' }),
    at: z.string(),
    state: z.enum(['RECEIVED', 'ANSWERED', 'REFUSED', 'PENDING', 'SENT', 'DELIVERED', 'READ', 'FAILED']),
    seq: z.int().openapi({ description: 'Its place in the conversation; events go on `after` it' }),
    turnId: z.string().optional().openapi({ description: 'What took it, and the answer to it' }),
    code: z.string().optional().openapi({ description: 'Why it was refused, or what a notice is about' }),
    refusal: z
      .enum([...refusals, 'turn_failed'])
      .optional()
      .openapi({
        description: 'REFUSED: why; `turn_failed`: its turn ended without an answer, as a notice says',
      }),
    editedFrom: z.string().optional().openapi({
      description:
        'Its person changed it: the beginning of what another message had said; empty = it is that message itself, or what it said is not known',
    }),
    key: z.string().optional().openapi({ description: 'The idempotency key that it was sent with' }),
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
  .openapi('Message')

/** One that a search found. */
export const foundSchema = messageSchema
  .extend({
    found: z
      .object({ before: z.string(), hit: z.string(), after: z.string() })
      .optional()
      .openapi({ description: 'Where it holds the words that were looked for, as it is read' }),
  })
  .openapi('FoundMessage')

/** Adds the addresses of a message's files. */
export async function withUrls<T extends MessageView>({ attachments, ...message }: T, withUrl: WithUrl) {
  if (attachments.length === 0) return message
  return { ...message, attachments: await Promise.all(attachments.map(withUrl)) }
}
