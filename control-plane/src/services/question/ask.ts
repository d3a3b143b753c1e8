import { randomUUID } from 'node:crypto'
import type { Prisma, Transaction } from '@yourclaw/db'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { storeOutgoing } from '../conversation/send-notice.ts'
import { buttonData } from './button.ts'
import type { QuestionKind } from './kinds.ts'

export interface AskInput {
  userId: string
  /** Where it is asked; the person may answer it wherever they are bound. */
  to: Recipient
  kind: QuestionKind
  /** Markdown. */
  prompt: string
  /** At least one, at most 36; ids are stored with the answer. */
  options: { id: string; label: string }[]
  /** For the kind's `onAnswer`. */
  subject?: Prisma.InputJsonValue
  expiresInMs: number
}

/**
 * Asks a person something, as a message of ours (M8): with buttons where the channel has them, with numbers where not.
 * Only under the assistant's lock.
 */
export async function askIn(tx: Transaction, ctx: ConversationCtx, input: AskInput) {
  const { userId, to, kind, prompt, options } = input
  const id = randomUUID()
  const messageId = await storeOutgoing(tx, ctx, {
    userId,
    to,
    kind: 'NOTICE',
    code: `question_${kind}`,
    text: prompt,
    buttons: options.map(({ label }, index) => ({ label, data: buttonData(id, index) })),
  })
  const expiresAt = new Date(ctx.clock.now() + input.expiresInMs)
  const subject = input.subject ?? {}
  await tx.question.create({
    data: { id, userId, messageId, kind, ...to, prompt, options, subject, expiresAt },
  })
  return { questionId: id, messageId }
}
