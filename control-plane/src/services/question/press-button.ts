import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { texts } from '../conversation/texts.ts'
import { answerQuestion } from './answer.ts'
import { readButton } from './button.ts'

/** A press on a button, or what somebody says is one. `text` is for whoever pressed. */
export async function pressButton({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: { from: Recipient; data: string }
}): Promise<{ text: string }> {
  const button = readButton(input.data)
  if (!button) return { text: texts.questionNotAsked }
  const { questionId, index: choice } = button
  return answerQuestion({ ctx, input: { questionId, choice, from: input.from } })
}
