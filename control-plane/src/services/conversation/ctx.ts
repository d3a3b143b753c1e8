import type { Channel, Pool, PoolTransaction, Transaction } from '@yourclaw/db'
import type { Payload } from '../../channels/sender.ts'
import type { Ctx, Nudge } from '../../context.ts'
import type { TurnWithInput } from './claim.ts'
import type { Together } from './together.ts'

/** What the conversation verbs need beside Ctx. */
export interface ConversationCtx extends Ctx {
  outbox: Outbox
  /** For what every turn does. */
  pool: Pool
  /** Tells this process at once of what it committed on the pool; others hear of it from the database. */
  wake: (nudges: Iterable<Nudge>) => void
  together: Together
  /** The hosts whose sessions are on this replica: their turns are claimed by the transaction that stores a message. */
  hostsHere: Map<string, TurnPlaces>
}

/** Where a host's session takes turns that somebody else claimed for it. */
export interface TurnPlaces {
  /** Keeps places, at most so many, until `take` is called: with what was claimed, or with nothing. */
  reserve(most: number): { places: number; sessionEpoch: bigint; take(turns: TurnWithInput[]): void }
}

/** Hands over what goes out, within the caller's transaction. Keeps the order of calls for each address. */
export interface Outbox {
  /** Sends every part of a stored message that is PENDING, `delayMs` from now at the earliest. */
  enqueueMessage(tx: Transaction, to: Recipient, messageId: string, delayMs?: number): Promise<void>
  /**
   * The same for many messages, each to another recipient, on the pool. Resolves as soon as all is asked of the
   * database; what it resolves with is called after the commit, with what was stored.
   */
  enqueueMessages(
    tx: PoolTransaction,
    messages: { to: Recipient; messageId: string }[],
  ): Promise<((stored: StoredMessage[]) => Promise<void>) | undefined>
  /** Sends something that belongs to no user: an answer to a stranger. */
  enqueueText(tx: Transaction, to: Recipient, payload: Payload): Promise<void>
  /** Takes the buttons of a sent message away, once it went out. Only for show: it may fail. */
  enqueueClose(tx: Transaction, to: Recipient, messageId: string): Promise<void>
  /** Keeps a message that could not be sent where an operator sees it and can send it again (M6). */
  bury(tx: Transaction, to: Recipient, messageId: string): Promise<void>
}

/** A message as its own transaction stored it: all that sending it takes. */
export interface StoredMessage {
  messageId: string
  traceParent: string | null
  answeredAt: Date
  receivedAt: Date
  /** In order. */
  parts: { id: string; address: string; payload: Payload }[]
}

export interface Recipient {
  channel: Channel
  address: string
}
