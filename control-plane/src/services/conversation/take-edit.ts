import { inTransaction, nudge } from '../../context.ts'
import type { ConversationCtx } from './ctx.ts'
import { quoted } from './quote.ts'
import { type ReceiveInput, receiveMessage } from './receive-message.ts'
import { lockOwner } from './rows.ts'
import { sanitize } from './sanitize.ts'

/**
 * A person changed a message. One that nobody took yet has the new words; of one that was taken, or that we do not know,
 * the new words are a message that says so.
 */
export async function takeEdit({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: ReceiveInput & { chatMessageId: string }
}): Promise<void> {
  const { channel, address, chatMessageId } = input
  const body = sanitize(input.body)
  const known = await inTransaction(ctx, async (tx) => {
    const owner = await lockOwner(tx, input)
    if (!owner) return null
    const before = await tx.message.findFirst({
      where: { userId: owner.userId, channel, address, chatMessageId, direction: 'INBOUND' },
      orderBy: { seq: 'desc' },
    })
    if (!before) return { done: body === '', said: '' }
    // A link got its preview, or the like.
    if (before.body === body) return { done: true, said: '' }
    if (before.state !== 'RECEIVED' || before.turnId !== null || before.kind !== 'CHAT')
      return { done: body === '', said: before.body }
    await tx.message.update({ where: { id: before.id }, data: { body } })
    nudge(tx, 'messages', owner.userId)
    return { done: true, said: '' }
  })
  if (known === null || known.done) return
  const context = `[The user changed an earlier message${quoted(known.said)}. It now says:]`
  await receiveMessage({ ctx, input: { ...input, context } })
}
