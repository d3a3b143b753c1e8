import type { Transaction } from '@yourclaw/db'
import type { ConversationCtx } from '../conversation/ctx.ts'
import type { ReceiveInput } from '../conversation/receive-message.ts'
import type { AssistantRow } from '../conversation/rows.ts'
import { takeAside } from '../conversation/take-aside.ts'
import { answerIn } from './answer.ts'

const number = /^\s*([1-9]\d?)[.)]?\s*$/

/**
 * Takes a message that is nothing but a number as the answer to the question that was asked there last, unless the
 * conversation went on since in a way that a number could be about: then the number is a word like any other, and this is false.
 */
export async function answerByNumber({ ctx, input }: { ctx: ConversationCtx; input: ReceiveInput }) {
  const place = number.exec(input.body)?.[1]
  if (place === undefined) return false
  const from = { channel: input.channel, address: input.address }
  let questionId: string | undefined
  return takeAside(ctx, input, {
    code: 'answer',
    async isMeant(tx, owner) {
      questionId = await findOpen(tx, ctx, owner, input)
      return questionId !== undefined
    },
    async work(tx) {
      const answer = { questionId: questionId ?? '', choice: Number(place) - 1, from }
      const { outcome, text } = await answerIn(tx, ctx, answer)
      return outcome === 'answered' ? undefined : text
    },
  })
}

async function findOpen(
  tx: Transaction,
  ctx: ConversationCtx,
  { userId }: AssistantRow,
  { channel, address }: ReceiveInput,
): Promise<string | undefined> {
  const question = await tx.question.findFirst({
    where: { userId, channel, address, answeredAt: null, expiresAt: { gt: new Date(ctx.clock.now()) } },
    orderBy: { createdAt: 'desc' },
    select: { id: true, message: { select: { seq: true } } },
  })
  if (!question) return undefined
  const since = await tx.message.findMany({
    where: { userId, kind: 'CHAT', seq: { gt: question.message.seq } },
    select: { direction: true, body: true },
  })
  // An assistant may say that it has asked; what has a number in it may have asked for one itself.
  const wentOn = since.some(({ direction, body }) => direction === 'INBOUND' || /\d/.test(body))
  return wentOn ? undefined : question.id
}
