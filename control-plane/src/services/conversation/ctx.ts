import type { Channel, Transaction } from '@yourclaw/db'
import type { Payload } from '../../channels/sender.ts'
import type { Ctx } from '../../context.ts'

/** What the conversation verbs need beside Ctx: a way to hand over what goes out, within their transaction. */
export interface ConversationCtx extends Ctx {
  outbox: Outbox
}

/** Keeps the order of calls for each address. */
export interface Outbox {
  /** Sends every part of a stored message that is PENDING, `delayMs` from now at the earliest. */
  enqueueMessage(tx: Transaction, to: Recipient, messageId: string, delayMs?: number): Promise<void>
  /** Sends something that belongs to no user: an answer to a stranger. */
  enqueueText(tx: Transaction, to: Recipient, payload: Payload): Promise<void>
  /** Keeps a message that could not be sent where an operator sees it and can send it again (M6). */
  bury(tx: Transaction, to: Recipient, messageId: string): Promise<void>
}

export interface Recipient {
  channel: Channel
  address: string
}
