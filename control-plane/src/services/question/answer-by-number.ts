import { inTransaction } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'
import { type ReceiveInput, storeAside } from '../conversation/receive-message.ts'
import { lockOwner } from '../conversation/rows.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { answerIn } from './answer.ts'

const number = /^\s*([1-9]\d?)[.)]?\s*$/

/**
 * Takes a message that is nothing but a number as the answer to the question that was asked there last, unless the
 * conversation went on since: then the number is a word like any other. True = it is dealt with, now or when it first
 * came (M2).
 */
export async function answerByNumber({ ctx, input }: { ctx: ConversationCtx; input: ReceiveInput }) {
  const place = number.exec(input.body)?.[1]
  if (place === undefined) return false
  const from = { channel: input.channel, address: input.address }
  const answered = inTransaction(ctx, async (tx) => {
    const owner = await lockOwner(tx, from)
    if (!owner) return false
    const { channel, providerMessageId } = input
    const stored = await tx.message.findUnique({
      where: { channel_providerMessageId: { channel, providerMessageId } },
      select: { kind: true },
    })
    if (stored) return stored.kind === 'NOTICE'
    const question = await tx.question.findFirst({
      where: {
        userId: owner.userId,
        ...from,
        answeredAt: null,
        expiresAt: { gt: new Date(ctx.clock.now()) },
      },
      orderBy: { createdAt: 'desc' },
      select: { id: true, message: { select: { seq: true } } },
    })
    if (!question) return false
    const since = { gt: question.message.seq }
    if ((await tx.message.count({ where: { userId: owner.userId, kind: 'CHAT', seq: since } })) > 0)
      return false
    await storeAside(tx, ctx, owner, input, 'answer')
    const answer = { questionId: question.id, choice: Number(place) - 1, from }
    const { outcome, text } = await answerIn(tx, ctx, answer)
    if (outcome !== 'answered') {
      await sendNoticeIn(tx, ctx, { userId: owner.userId, to: from, code: `question_${outcome}`, text })
    }
    return true
  })
  return answered.catch((error: unknown) => refused(ctx, input, error))
}

/** What the answer asked for could not be done: told, and the question stays open. */
async function refused(ctx: ConversationCtx, input: ReceiveInput, error: unknown) {
  if (!(error instanceof ServiceError)) throw error
  const to = { channel: input.channel, address: input.address }
  return inTransaction(ctx, async (tx) => {
    const owner = await lockOwner(tx, to)
    if (!owner || !(await storeAside(tx, ctx, owner, input, 'answer'))) return true
    const { userId } = owner
    await sendNoticeIn(tx, ctx, { userId, to, code: 'question_refused', text: error.detail })
    return true
  })
}
