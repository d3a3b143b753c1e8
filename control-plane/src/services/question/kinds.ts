import type { Transaction } from '@yourclaw/db'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { onActionDecided } from '../tool/decide-action.ts'
import { onModelChosen } from './choose-model.ts'

/** What can be asked. Stored with each question: a name stays what it is. */
export type QuestionKind = 'model' | 'tool_action'

export interface Answer {
  questionId: string
  userId: string
  /** Of the option that was chosen. */
  optionId: string
  /** What was asked about, as it was given to `askIn`. */
  subject: unknown
  /** Where it was answered. */
  from: Recipient
}

/**
 * Does what an answer asks for, in the transaction that stores the answer, and returns what the person is told. A
 * ServiceError undoes both: its detail is told, and the question stays open.
 */
export type OnAnswer = (tx: Transaction, ctx: ConversationCtx, answer: Answer) => Promise<string>

export const onAnswer: Record<QuestionKind, OnAnswer> = {
  model: onModelChosen,
  tool_action: onActionDecided,
}

export const isQuestionKind = (kind: string): kind is QuestionKind => Object.hasOwn(onAnswer, kind)
