import { type Database, openPool } from '@yourclaw/db'
import { createTestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import type { Payload } from '../../channels/sender.ts'
import { testSettings } from '../../testing/settings.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { receiveMessage } from './receive-message.ts'
import { createTogether } from './together.ts'

/** For tests: a database, a clock that is set by hand, and an outbox that only remembers. */
export async function createFixture(settings: { perDay?: number; perMinute?: number } = {}) {
  const database = await createTestDatabase()
  const clock = { at: Date.parse('2026-03-10T12:00:00Z'), now: () => clock.at }
  const told: { to: Recipient; text: string; template?: Payload['template'] }[] = []
  const queued: string[] = []
  const buried: string[] = []
  const closed: string[] = []
  const pool = openPool(database.url, 4)
  const alone: Omit<ConversationCtx, 'together'> = {
    db: database.db,
    pool,
    wake: () => {},
    hostsHere: new Map(),
    clock,
    log: pino({ level: 'silent' }),
    settings: {
      ...testSettings,
      rateLimitPerDay: settings.perDay ?? testSettings.rateLimitPerDay,
      rateLimitPerMinute: settings.perMinute ?? testSettings.rateLimitPerMinute,
    },
    outbox: {
      enqueueMessage: async (_tx, _to, messageId) => {
        queued.push(messageId)
      },
      enqueueMessages: async (_tx, jobs) => {
        queued.push(...jobs.map(({ messageId }) => messageId))
        return undefined
      },
      enqueueClose: async (_tx, _to, messageId) => {
        closed.push(messageId)
      },
      bury: async (_tx, _to, messageId) => {
        buried.push(messageId)
      },
      enqueueText: async (_tx, to, payload) => {
        told.push({ to, ...payload })
      },
    },
  }
  const ctx: ConversationCtx = Object.assign(alone, { together: createTogether(alone) })
  let order = 0
  return {
    ...database,
    ctx,
    async close() {
      await pool.close()
      await database.close()
    },
    clock,
    told,
    queued,
    buried,
    closed,
    receive: (
      address: string,
      body: string,
      id: string = crypto.randomUUID(),
      providerOrder = BigInt(++order),
    ) =>
      receiveMessage({
        ctx,
        input: { channel: 'TELEGRAM', address, providerMessageId: id, providerOrder, body },
      }),
  }
}

export type Fixture = Awaited<ReturnType<typeof createFixture>>

/** A user who may write: bound chat, active subscription, ready assistant on a host with a session of epoch 1. */
export async function createPerson(
  db: Database,
  options: { timeZone?: string; channel?: 'TELEGRAM' | 'WHATSAPP' } = {},
) {
  const { channel = 'TELEGRAM' } = options
  const number = String(crypto.getRandomValues(new Uint32Array(1))[0])
  const address = channel === 'WHATSAPP' ? `whatsapp:+1${number}` : number
  const host = await db.hostServer.create({ data: { name: `host-${address}` } })
  const lease = { replica: 'a', epoch: 1n, leaseExpiresAt: new Date('2027-01-01') }
  await db.hostSession.create({ data: { hostId: host.id, ...lease } })
  const user = await db.user.create({
    data: {
      email: `${address}@example.test`,
      timeZone: options.timeZone ?? 'UTC',
      phones: { create: { channel, address } },
      subscriptions: { create: { status: 'ACTIVE' } },
      assistant: {
        create: { model: 'test/model', status: 'READY', desired: 'PRESENT', hostServerId: host.id },
      },
    },
  })
  return { userId: user.id, hostId: host.id, address }
}

/** A message as a phone brings it. */
export const written = (to: Recipient, body = 'hi') => ({
  ...to,
  providerMessageId: crypto.randomUUID(),
  body,
})
