import type { Transaction } from '@yourclaw/db'
import { render } from '../../channels/render.ts'
import { inTransaction } from '../../context.ts'
import { hasOptedOut } from '../channel/contact.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { addressHash, findOwner, sayOnce } from './rows.ts'
import { sendNoticeIn } from './send-notice.ts'
import { tellStanding } from './tell-standing.ts'
import { texts } from './texts.ts'

export interface TellInput {
  to: Recipient
  code: string
  /** Made of what the person's standing is (tellStanding), where it depends on that. */
  text: string | ((standing: string) => string)
  once: { kind: string; key: string }
  /** A stranger hears the daily greeting instead (M10). */
  greetStrangers?: boolean
}

/** Says something to whoever is behind an address: a notice to its owner, or a bare text to a stranger. */
export function tellAddress({ ctx, input }: { ctx: ConversationCtx; input: TellInput }) {
  return inTransaction(ctx, (tx) => tellAddressIn(tx, ctx, input))
}

export async function tellAddressIn(tx: Transaction, ctx: ConversationCtx, input: TellInput) {
  const userId = await findOwner(tx, input.to)
  if (userId === null && input.greetStrangers) return greetStrangerIn(tx, ctx, input.to)
  const text = await wordsFor(tx, ctx, userId, input.text)
  if (userId !== null) return sendNoticeIn(tx, ctx, { ...input, userId, text })
  return tellStrangerIn(tx, ctx, { ...input, text })
}

async function wordsFor(
  tx: Transaction,
  ctx: ConversationCtx,
  userId: string | null,
  text: TellInput['text'],
): Promise<string> {
  if (typeof text === 'string') return text
  return text(userId === null ? texts.notConnected(ctx.settings.webUrl) : await tellStanding(tx, ctx, userId))
}

/** One helpful answer a day and address, on every channel (M10). */
export function greetStrangerIn(tx: Transaction, ctx: ConversationCtx, to: Recipient) {
  const text = texts.unknownSender(ctx.settings.webUrl)
  const key = new Date(ctx.clock.now()).toISOString().slice(0, 10)
  return tellStrangerIn(tx, ctx, { to, code: 'unknown_sender', text, once: { kind: 'unknown_sender', key } })
}

type StrangerInput = Pick<TellInput, 'to' | 'code' | 'once'> & { text: string }

async function tellStrangerIn(tx: Transaction, ctx: ConversationCtx, input: StrangerInput) {
  if (await hasOptedOut(tx, input.to)) return { sent: false }
  const scope = addressHash(input.to)
  if (!(await sayOnce(tx, scope, input.once.kind, input.once.key))) return { sent: false }
  for (const payload of render(input.to.channel, input.text))
    await ctx.outbox.enqueueText(tx, input.to, payload)
  return { sent: true }
}
