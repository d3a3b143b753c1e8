import type { ConversationCtx } from '../conversation/ctx.ts'
import type { ReceiveInput } from '../conversation/receive-message.ts'
import { takeAside } from '../conversation/take-aside.ts'
import { answerIn } from './answer.ts'
import type { PressedButton } from './button.ts'
import { hasRoomForWords } from './has-room-for-words.ts'

/**
 * Takes a message that is a press on a button below a question, where a press is a message (WhatsApp). False for a
 * stranger. Anybody can make one up: see `answerIn` for who may answer.
 */
export async function takePress({
  ctx,
  input,
  button,
}: {
  ctx: ConversationCtx
  input: ReceiveInput
  button: PressedButton
}): Promise<boolean> {
  const { channel, address } = input
  return takeAside(ctx, input, {
    code: 'answer',
    async work(tx) {
      const { questionId, index: choice } = button
      const answered = await answerIn(tx, ctx, { questionId, choice, from: { channel, address } })
      return answered.outcome === 'answered' && !answered.isRepeated ? undefined : answered.text
    },
    maySay: (tx, { userId }) => hasRoomForWords(tx, ctx, userId),
  })
}
