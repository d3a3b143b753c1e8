import type { Channel, Database, Transaction } from '@yourclaw/db'
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
  /** Those that are on. */
  channels: readonly Channel[]
  whatsapp: WhatsappSettings
}

export interface WhatsappSettings {
  /** The sender, with its country code. */
  number: string
  /** Approved templates: what may be sent when the 24-hour window is closed. */
  readyContentSid: string
  inviteContentSid: string | null
}

/** Runs `work` in one transaction; a failure of it changes nothing. */
export function inTransaction<T>(ctx: Ctx, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return ctx.db.$transaction(work, { maxWait: 10_000, timeout: 20_000 })
}

/** Wakes every replica that listens, once the transaction commits. The tables are the truth; this is only a nudge. */
export async function nudge(tx: Transaction, topic: Topic, id: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_notify('yourclaw', ${`${topic}:${id}`})`
}

/** turns and changes carry a host id, assistant and messages a user id, deliveries nothing. */
export type Topic = 'turns' | 'changes' | 'assistant' | 'messages' | 'deliveries'
