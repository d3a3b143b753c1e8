import type { Attachment } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import { sourceSchema } from '../attachment/attachment.ts'
import { type IncomingFile, incomingRows } from '../attachment/incoming.ts'
import type { ConversationCtx } from './ctx.ts'
import { quoted } from './quote.ts'
import { type ReceiveInput, receiveMessage } from './receive-message.ts'
import { lockOwner } from './rows.ts'
import { sanitize } from './sanitize.ts'

/**
 * A person changed a message: its words, or the file that they stand below. One that nobody took yet has the new ones; of
 * one that was taken, or that we do not know, they are a message that says so.
 */
export async function takeEdit({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: ReceiveInput & { chatMessageId: string }
}): Promise<void> {
  const { channel, address, chatMessageId, files: given = [] } = input
  const body = sanitize(input.body)
  const isEmpty = body === '' && given.length === 0
  const known = await inTransaction(ctx, async (tx) => {
    const owner = await lockOwner(tx, input)
    if (!owner) return null
    const where = { userId: owner.userId, channel, address, chatMessageId, direction: 'INBOUND' } as const
    const before = await tx.message.findFirst({ where, orderBy: { seq: 'desc' } })
    if (!before) return { done: isEmpty, said: '', files: given }
    // An edit of the words alone came without it.
    const known = await tx.attachment.findFirst({ where: { message: where }, orderBy: { createdAt: 'desc' } })
    const files = given.filter((file) => !known || !isSame(known, file))
    // A link got its preview, or the like.
    if (before.body === body && files.length === 0) return { done: true, said: '', files }
    if (before.state !== 'RECEIVED' || before.turnId !== null || before.kind !== 'CHAT')
      return { done: isEmpty, said: before.body, files }
    await tx.message.update({ where: { id: before.id }, data: { body } })
    if (files.length > 0) {
      const at = new Date(ctx.clock.now())
      await tx.attachment.deleteMany({ where: { messageId: before.id, state: 'WAITING' } })
      await tx.attachment.createMany({
        data: incomingRows({ userId: owner.userId, messageId: before.id, files, at }),
      })
    }
    nudge(tx, 'messages', owner.userId)
    return { done: true, said: '', files }
  })
  if (known === null || known.done) return
  const { said, files } = known
  const context = `[The user changed an earlier message${quoted(said)}. It now ${body === '' ? 'is' : 'says'}:]`
  await receiveMessage({ ctx, input: { ...input, files, context } })
}

/** A provider may call one file by several names, but two files are hardly of one length. */
function isSame(
  { source, sizeBytes }: Pick<Attachment, 'source' | 'sizeBytes'>,
  file: IncomingFile,
): boolean {
  const before = sourceSchema.safeParse(source).data
  const isNamed =
    before?.at === 'telegram' && file.source.at === 'telegram' && before.fileId === file.source.fileId
  return isNamed || (sizeBytes !== null && Number(sizeBytes) === file.sizeBytes)
}
