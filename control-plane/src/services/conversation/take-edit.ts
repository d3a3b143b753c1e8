import type { Attachment, Message, Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import { sourceSchema } from '../attachment/attachment.ts'
import { type IncomingFile, incomingRows } from '../attachment/incoming.ts'
import { readCommand } from '../command/read-command.ts'
import type { ConversationCtx } from './ctx.ts'
import { albumCode } from './limits.ts'
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
type Rest = 'nothing' | 'anew' | { changed: string; editedFrom: string; files: readonly IncomingFile[] }

/**
 * A person changed a message: its words, or the file that they stand below. One that nobody took yet has the new ones; of
 * one that was taken, or that we do not know, they are a message that says so. What becomes a command is one, and what was
 * one was no message (M8).
 */
export async function takeEdit({ ctx, input }: { ctx: ConversationCtx; input: EditInput }): Promise<void> {
  const rest = await applyEdit(ctx, input)
  if (rest === 'nothing') return
  if (rest === 'anew') {
    await takeWritten({ ctx, input, mayAnswer: false })
    return
  }
  const { changed, editedFrom, files } = rest
  const verb = sanitize(input.body) === '' ? 'is' : 'says'
  const context = `[The user changed an earlier message${quoted(changed)}. It now ${verb}:]`
  await receiveMessage({ ctx, input: { ...input, files, context, editedFrom } })
}

function applyEdit(ctx: ConversationCtx, input: EditInput): Promise<Rest> {
  const { channel, address, chatMessageId, files: given = [] } = input
  const body = sanitize(input.body)
  const isEmpty = body.trim() === '' && given.length === 0
  const isCommand = input.isPlain && readCommand(body, ctx.settings.telegramBotUsername) !== undefined
  return inTransaction(ctx, async (tx): Promise<Rest> => {
    const owner = await lockOwner(tx, input)
    if (!owner) return 'nothing'
    const { userId } = owner
    const where = { userId, channel, address, chatMessageId, direction: 'INBOUND' } as const
    const before = await tx.message.findFirst({ where, orderBy: { seq: 'desc' } })
    if (!before)
      return isEmpty ? 'nothing' : isCommand ? 'anew' : { changed: '', editedFrom: '', files: given }
    // An edit of the words alone came without it.
    const known = await tx.attachment.findFirst({ where: { message: where }, orderBy: { createdAt: 'desc' } })
    const files = given.filter((file) => !known || !isSameFile(known, file))
    // A link got its preview, or the like.
    const hasSameWords = (before.written ?? before.body) === body
    if (hasSameWords && files.length === 0) return 'nothing'
    const isWaiting = before.state === 'RECEIVED' && before.turnId === null && before.kind === 'CHAT'
    if (isWaiting) {
      const withdrawn = { kind: 'NOTICE', state: 'ANSWERED', code: becameCommand } as const
      const changed = { body, written: null, editedFrom: before.editedFrom ?? '' }
      await tx.message.update({ where: { id: before.id }, data: isCommand ? withdrawn : changed })
      // What the command says counts instead.
      if (isCommand && before.code !== albumCode) await giveBackToday(tx, before)
      if (files.length > 0)
        await replaceFiles(tx, { userId, messageId: before.id, files, at: new Date(ctx.clock.now()) })
      nudge(tx, 'messages', userId)
    }
    if (isEmpty) return 'nothing'
    if (isCommand || before.kind === 'NOTICE') return 'anew'
    return isWaiting ? 'nothing' : { changed: before.body, editedFrom: before.written ?? before.body, files }
  })
}

async function replaceFiles(tx: Transaction, files: Parameters<typeof incomingRows>[0]): Promise<void> {
  await tx.attachment.deleteMany({ where: { messageId: files.messageId, state: 'WAITING' } })
  await tx.attachment.createMany({ data: incomingRows(files) })
}

/** Telegram calls one file by several ids, of which one is the file's alone. */
function isSameFile({ source }: Pick<Attachment, 'source'>, { source: given }: IncomingFile): boolean {
  const before = sourceSchema.safeParse(source).data
  if (before?.at !== 'telegram' || given.at !== 'telegram') return false
  return (
    before.fileId === given.fileId || (before.uniqueId !== undefined && before.uniqueId === given.uniqueId)
  )
}

/** Of the person's day that the message was counted on. */
async function giveBackToday(tx: Transaction, { userId, createdAt }: Message): Promise<void> {
  await tx.$executeRaw`
    UPDATE usage_daily d SET inbound_count = inbound_count - 1 FROM users u
    WHERE u.id = ${userId}::uuid AND d.user_id = u.id AND d.inbound_count > 0
      AND d.date = (${createdAt}::timestamptz AT TIME ZONE u.time_zone)::date`
}
