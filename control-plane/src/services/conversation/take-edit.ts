import { inTransaction, nudge } from '../../context.ts'
import { messageIn, readCommand } from '../command/read-command.ts'
import type { ConversationCtx } from './ctx.ts'
import { quoted } from './quote.ts'
import { type ReceiveInput, receiveMessage } from './receive-message.ts'
import { lockOwner } from './rows.ts'
import { sanitize } from './sanitize.ts'
import { takeWritten } from './take-written.ts'

/** Of a message that its person made into a command before anybody took it. */
const becameCommand = 'became_command'

type EditInput = ReceiveInput & {
  chatMessageId: string
  /** Nothing but words of their own; a caption is no command. */
  isPlain: boolean
}

/** What is still to be done: nothing; a command, or a message that was none before; a message that tells of a change. */
type Rest = 'nothing' | 'anew' | { changed: string }

/**
 * A person changed a message. One that nobody took yet has the new words; of one that was taken, or that we do not know,
 * the new words are a message that says so. What becomes a command is one, and what was one was no message (M8).
 */
export async function takeEdit({ ctx, input }: { ctx: ConversationCtx; input: EditInput }): Promise<void> {
  const rest = await applyEdit(ctx, input)
  if (rest === 'nothing') return
  if (rest === 'anew') {
    await takeWritten({ ctx, input, mayAnswer: false })
    return
  }
  const context = `[The user changed an earlier message${quoted(rest.changed)}. It now says:]`
  await receiveMessage({ ctx, input: { ...input, context } })
}

function applyEdit(ctx: ConversationCtx, input: EditInput): Promise<Rest> {
  const { channel, address, chatMessageId } = input
  const bot = ctx.settings.telegramBotUsername
  const body = sanitize(input.body)
  const isEmpty = body.trim() === ''
  const isCommand = input.isPlain && readCommand(body, bot) !== undefined
  return inTransaction(ctx, async (tx): Promise<Rest> => {
    const owner = await lockOwner(tx, input)
    if (!owner) return 'nothing'
    const { userId } = owner
    const before = await tx.message.findFirst({
      where: { userId, channel, address, chatMessageId, direction: 'INBOUND' },
      orderBy: { seq: 'desc' },
    })
    // A link got its preview, or the like; of a command with a message only that was kept.
    const isSame =
      before?.body === body || (before?.code?.startsWith('command_') && before.body === messageIn(body, bot))
    if (isSame) return 'nothing'
    if (!before) return isEmpty ? 'nothing' : isCommand ? 'anew' : { changed: '' }
    const isWaiting = before.state === 'RECEIVED' && before.turnId === null && before.kind === 'CHAT'
    if (isWaiting) {
      const withdrawn = { kind: 'NOTICE', state: 'ANSWERED', code: becameCommand } as const
      await tx.message.update({ where: { id: before.id }, data: isCommand ? withdrawn : { body } })
      nudge(tx, 'messages', userId)
    }
    if (isEmpty) return 'nothing'
    if (isCommand || before.kind === 'NOTICE') return 'anew'
    return isWaiting ? 'nothing' : { changed: before.body }
  })
}
