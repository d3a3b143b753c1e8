import { type Channel, type Database, type LlmProvider, Prisma, type Transaction } from '@yourclaw/db'
import type { Logger } from 'pino'

/** What every service verb gets: who acts, in which transaction, and what time it is. */
export interface Ctx {
  db: Database
  clock: Clock
  log: Logger
  settings: Settings
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }

/** The settings that services need; read once in env.ts and passed in. */
export interface Settings {
  webUrl: string
  rateLimitPerDay: number
  rateLimitPerMinute: number
  telegramBotUsername: string
  /** Where the chat with us is, on each messenger. */
  chatUrls: Record<'TELEGRAM' | 'WHATSAPP', string>
  /** Those that are on. */
  channels: readonly Channel[]
  whatsapp: WhatsappSettings
  /** Voice messages are listened to. */
  transcribes: boolean
  /** Lower case. Who may use the operator API and is told of alerts. */
  operatorEmails: readonly string[]
  /** Those that the platform has a key of. */
  sharedProviders: readonly LlmProvider[]
  /** What all shared keys together may cost in a day (UTC), in micro-dollars; null = no bound. */
  platformDailyCapMicros: bigint | null
  /** Whether Google's Calendar, Gmail and Drive can be connected. */
  googleIntegrations: boolean
}

export interface WhatsappSettings {
  /** Approved templates: what may be sent when the 24-hour window is closed. */
  readyContentSid: string
  inviteContentSid: string | null
}

/** The nudges of the transactions that run: each is sent once, all in one statement. */
const gathered = new WeakMap<Transaction, Set<Nudge>>()

/** Runs `work` in one transaction; a failure of it changes nothing. */
export function inTransaction<T>(ctx: Pick<Ctx, 'db'>, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const nudged = async (tx: Transaction) => {
    const nudges = new Set<Nudge>()
    gathered.set(tx, nudges)
    const result = await work(tx)
    if (nudges.size > 0) {
      await tx.$executeRaw(notification(nudges))
    }
    return result
  }
  return ctx.db.$transaction(nudged, { maxWait: 10_000, timeout: 20_000 })
}

/**
 * Wakes every replica that listens, once the transaction commits. The tables are the truth; this is only a nudge.
 * Only within `inTransaction`.
 */
export function nudge(tx: Transaction, topic: Topic, id: string): void {
  const nudges = gathered.get(tx)
  if (!nudges) throw new Error('a nudge outside of inTransaction')
  nudges.add(`${topic}:${id}`)
}

/** The statement that sends nudges with its transaction's commit. */
export const notification = (nudges: Iterable<Nudge>) =>
  Prisma.sql`SELECT pg_notify('yourclaw', nudge) FROM unnest(${[...nudges]}::text[]) AS nudge`

export type Nudge = `${Topic}:${string}`

/**
 * turns, stops, changes and operations carry a host id; user (the account), assistant, messages and actions a user id;
 * watch and answer what `live/answers.ts` says; the others nothing.
 */
export type Topic =
  | 'turns'
  | 'stops'
  | 'changes'
  | 'operations'
  | 'user'
  | 'assistant'
  | 'messages'
  | 'deliveries'
  | 'mails'
  | 'erasures'
  | 'billing'
  | 'actions'
  | 'watch'
  | 'answer'
