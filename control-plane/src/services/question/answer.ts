import type { Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { lockOwner } from '../conversation/rows.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { texts } from '../conversation/texts.ts'
import { isQuestionKind, onAnswer } from './kinds.ts'
import { optionsOf } from './options.ts'

export interface AnswerInput {
  questionId: string
  /** Which option: its place, or its id. */
  choice: number | { id: string }
  /** Where the answer came from; proven by the channel. */
  from: Recipient
}

/**
 * `answered`: this answer, or the same before. `text` is for the person in every case. `refused` by what the answer asked
 * for: the question stays open.
 */
export interface Answered {
  outcome: 'answered' | 'not_asked' | 'already_answered' | 'expired' | 'no_such_option' | 'refused'
  /** It was given before, so that it did nothing now. */
  isRepeated?: boolean
  text: string
}

/**
 * Takes the answer to a question exactly once: of the person who was asked, from any address that is theirs, before it
 * expires. What the answer asks for is done in the same transaction.
 */
export async function answerQuestion({ ctx, input }: { ctx: ConversationCtx; input: AnswerInput }) {
  try {
    return await inTransaction(ctx, (tx) => answerIn(tx, ctx, input))
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    return { outcome: 'refused', text: error.detail } satisfies Answered
  }
}

/** Throws what `onAnswer` throws. */
export async function answerIn(tx: Transaction, ctx: ConversationCtx, input: AnswerInput): Promise<Answered> {
  const { questionId, choice, from } = input
  // The lock keeps a second answer out until the first is stored.
  const owner = await lockOwner(tx, from)
  const question = await tx.question.findUnique({ where: { id: questionId } })
  // The same words for a question that is not there: whose it is, is nobody's business.
  if (!owner || question?.userId !== owner.userId)
    return { outcome: 'not_asked', text: texts.questionNotAsked }
  const options = optionsOf(question)
  const option = typeof choice === 'number' ? options[choice] : options.find((one) => one.id === choice.id)
  if (question.answer !== null) {
    const given = options.find(({ id }) => id === question.answer)?.label ?? question.answer
    const outcome = option?.id === question.answer ? 'answered' : 'already_answered'
    return { outcome, text: texts.questionAnswered(given), isRepeated: true }
  }
  const now = new Date(ctx.clock.now())
  if (question.expiresAt <= now) return { outcome: 'expired', text: texts.questionExpired }
  if (!option || !isQuestionKind(question.kind))
    return { outcome: 'no_such_option', text: texts.questionNotAsked }
  await tx.question.update({ where: { id: questionId }, data: { answeredAt: now, answer: option.id } })
  const { userId, subject, messageId, channel, address } = question
  const text = await onAnswer[question.kind](tx, ctx, {
    questionId,
    userId,
    optionId: option.id,
    subject,
    from,
  })
  const code = `question_${question.kind}_answered`
  await sendNoticeIn(tx, ctx, { userId, to: from, code, text })
  await ctx.outbox.enqueueClose(tx, { channel, address }, messageId)
  nudge(tx, 'messages', userId)
  return { outcome: 'answered', text }
}
