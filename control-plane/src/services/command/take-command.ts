import type { ConversationCtx } from '../conversation/ctx.ts'
import { type Received, type ReceiveInput, receiveMessage } from '../conversation/receive-message.ts'
import { findOwner } from '../conversation/rows.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { takeAside } from '../conversation/take-aside.ts'
import { texts } from '../conversation/texts.ts'
import { type CommandCall, codeOf } from './commands.ts'
import { type ReadCommand, readCommand } from './read-command.ts'

/** In a minute; each is answered, so they are bounded like everything else. */
const mostInAMinute = 20

/**
 * Takes a message that is a command of ours; false for everything else. Words behind a command that takes none are its
 * next message: counted like one, and refused together with the command.
 */
export async function takeCommand({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: ReceiveInput
}): Promise<Received | boolean> {
  const read = readCommand(input.body, ctx.settings.telegramBotUsername)
  if (!read) return false
  const to = { channel: input.channel, address: input.address }
  const userId = await findOwner(ctx.db, to)
  if (userId === null) return false
  const { command, argument, message } = read
  const call = { userId, to, argument }
  if (message !== undefined)
    return takeWithMessage(ctx, { ...input, body: message, written: input.body }, read, call)
  // Read before the lock, so that nobody waits for it.
  const answer = await command.read?.(ctx, call)
  const isIgnored = argument !== '' && command.words === undefined
  const told = isIgnored ? `${answer}\n\n${texts.wordsNotTaken(command.name)}` : answer
  return takeAside(ctx, input, {
    code: codeOf(command),
    async work(tx, owner) {
      const since = new Date(ctx.clock.now() - 60_000)
      const recent = {
        userId: owner.userId,
        direction: 'INBOUND',
        kind: 'NOTICE',
        createdAt: { gt: since },
      } as const
      const count = await tx.message.count({ where: recent })
      if (count > mostInAMinute) return count === mostInAMinute + 1 ? texts.tooManyCommands : undefined
      // The chat may have changed hands since.
      if (owner.userId !== userId) return undefined
      return command.act ? command.act(tx, ctx, { ...call, owner }) : told
    },
  })
}

function takeWithMessage(
  ctx: ConversationCtx,
  input: ReceiveInput,
  { command }: ReadCommand,
  call: CommandCall,
) {
  const code = codeOf(command)
  return receiveMessage({
    ctx,
    input: {
      ...input,
      first: {
        code,
        async work(tx, owner) {
          const { userId } = owner
          const text = await command.act?.(tx, ctx, { ...call, userId, owner })
          if (text !== undefined) await sendNoticeIn(tx, ctx, { userId, to: call.to, code, text })
        },
      },
    },
  })
}
