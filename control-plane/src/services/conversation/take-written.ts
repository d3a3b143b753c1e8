import { takeCommand } from '../command/take-command.ts'
import { answerByNumber } from '../question/answer-by-number.ts'
import type { PressedButton } from '../question/button.ts'
import { takePress } from '../question/take-press.ts'
import type { ConversationCtx } from './ctx.ts'
import { type Received, type ReceiveInput, receiveMessage } from './receive-message.ts'

/**
 * Takes what a person wrote, on any channel: a command of ours, an answer to a question of ours or a press on its button,
 * or a message. What stands beside a file is neither of the first two.
 */
export async function takeWritten({
  ctx,
  input,
  mayAnswer = true,
  pressed,
}: {
  ctx: ConversationCtx
  input: ReceiveInput
  /** False for what is about another message than a question of ours. */
  mayAnswer?: boolean
  /** The button that its words come from; they are then no command, whatever they are. */
  pressed?: PressedButton | undefined
}): Promise<Received> {
  if (!pressed && input.attachmentIds?.length) return receiveMessage({ ctx, input })
  const taken = pressed
    ? await takePress({ ctx, input, button: pressed })
    : (await takeCommand({ ctx, input })) || (mayAnswer && (await answerByNumber({ ctx, input })))
  if (taken === false) return receiveMessage({ ctx, input })
  if (taken !== true) return taken
  const { channel, providerMessageId } = input
  const where = { channel_providerMessageId: { channel, providerMessageId } }
  const { id: messageId } = await ctx.db.message.findUniqueOrThrow({ where, select: { id: true } })
  return { outcome: 'accepted', messageId }
}
