import type { ConversationCtx } from '../conversation/ctx.ts'
import type { ReceiveInput } from '../conversation/receive-message.ts'
import { findOwner } from '../conversation/rows.ts'
import { takeAside } from '../conversation/take-aside.ts'
import { texts } from '../conversation/texts.ts'
import { commands } from './commands.ts'

/** With its bot's name, as Telegram's apps send it from a menu. */
const shape = /^\s*\/([a-z]+)(?:@(\w+))?(?:\s+([\s\S]*))?$/i

/** In a minute; each is answered, so they are bounded like everything else. */
const mostInAMinute = 20

/** Takes a message that is a command of ours; false for everything else, which is the assistant's to understand. */
export async function takeCommand({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: ReceiveInput
}): Promise<boolean> {
  const [, name = '', bot = ctx.settings.telegramBotUsername, argument = ''] = shape.exec(input.body) ?? []
  const command = commands.find((one) => one.name === name.toLowerCase())
  if (!command || bot.toLowerCase() !== ctx.settings.telegramBotUsername.toLowerCase()) return false
  const to = { channel: input.channel, address: input.address }
  const userId = await findOwner(ctx.db, to)
  if (userId === null) return false
  const call = { userId, to, argument: argument.trim() }
  // Read before the lock, so that nobody waits for it.
  const told = await command.read?.(ctx, call)
  return takeAside(ctx, input, {
    code: `command_${command.name}`,
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
