import type { Prisma } from '@yourclaw/db'
import { viewColumns, viewOf } from '../attachment/attachment.ts'
import { optionsOf } from '../question/options.ts'
import { stoppedCode } from './fail-turn.ts'
import { refusals } from './limits.ts'
import { excerpt } from './quote.ts'

/** What is read with a message that is shown. */
export const shown = {
  attachments: { orderBy: { position: 'asc' }, select: viewColumns },
  question: { select: { id: true, options: true, expiresAt: true, answer: true } },
} as const satisfies Prisma.MessageInclude

type ShownMessage = Prisma.MessageGetPayload<{ include: typeof shown }>

/** A message as its person sees it. */
export function viewMessage(message: ShownMessage) {
  const { id, direction, kind, channel, createdAt, state, seq, turnId, code, question, attachments } = message
  const { editedFrom } = message
  const key = channel === 'WEB' ? message.providerMessageId?.slice(message.address.length + 1) : undefined
  return {
    id,
    direction,
    kind,
    channel,
    body: message.written ?? message.body,
    at: createdAt.toISOString(),
    state,
    seq: Number(seq),
    attachments: attachments.map(viewOf),
    ...(turnId !== null && { turnId }),
    ...(code !== null && { code }),
    ...(state === 'REFUSED' && { refusal: refusals.find((one) => one === code) ?? ('turn_failed' as const) }),
    ...(editedFrom !== null && { editedFrom: excerpt(editedFrom) }),
    ...(kind === 'CHAT' && code === stoppedCode && { stopped: true as const }),
    ...(key !== undefined && { key }),
    ...(question && { question: viewQuestion(question) }),
  }
}

export type MessageView = ReturnType<typeof viewMessage>

const viewQuestion = ({ id, options, expiresAt, answer }: NonNullable<ShownMessage['question']>) => ({
  id,
  options: optionsOf({ options }),
  expiresAt: expiresAt.toISOString(),
  ...(answer !== null && { answer }),
})
