import { inTransaction } from '../../context.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { findInChat } from './find-in-chat.ts'
import { quoted, whose } from './quote.ts'
import { lockOwner } from './rows.ts'
import { sanitize } from './sanitize.ts'

const maxEmojis = 3

/** Keeps a person's reaction to a message until their next one: the model is told both. No emoji = it was taken back. */
export function takeReaction({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: { from: Recipient; chatMessageId: string; emojis: readonly string[] }
}): Promise<void> {
  const { from, chatMessageId } = input
  return inTransaction(ctx, async (tx) => {
    const owner = await lockOwner(tx, from)
    if (!owner) return
    const { userId } = owner
    const target = `${from.channel}:${from.address}:${chatMessageId}`
    const waiting = await tx.reaction.deleteMany({ where: { userId, target, turnId: null } })
    const emojis = sanitize(input.emojis.slice(0, maxEmojis).join(' '))
    // One that nobody was told of is as if it had never been.
    if (emojis === '' && waiting.count > 0) return
    const message = await findInChat(tx, { ...from, chatMessageId })
    // What we say of ourselves is not shown to the model, nor what is thought of it (M8).
    if (!message || message.isNotice) return
    const to = `${whose(message.isOurs)}${quoted(message.body)}`
    const text =
      emojis === ''
        ? `[The user took back a reaction to ${to}]`
        : `[The user reacted with ${emojis} to ${to}]`
    await tx.reaction.create({ data: { userId, target, text, createdAt: new Date(ctx.clock.now()) } })
  })
}
