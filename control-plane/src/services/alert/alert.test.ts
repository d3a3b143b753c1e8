import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ctx, inTransaction, systemClock } from '../../context.ts'
import { testSettings } from '../../testing/settings.ts'
import { mailAlerts } from './mail-alerts.ts'
import { type AlertCause, endAlert, raiseAlert } from './raise-alert.ts'
import { watchFleet } from './watch-fleet.ts'

let database: TestDatabase
let ctx: Ctx
beforeAll(async () => {
  database = await createTestDatabase()
  ctx = { db: database.db, clock: systemClock, log: pino({ level: 'silent' }), settings: testSettings }
})
afterAll(() => database.close())

const raise = (cause: AlertCause) => inTransaction(ctx, (tx) => raiseAlert({ tx, cause, detail: 'It is.' }))
const end = (cause: AlertCause) => inTransaction(ctx, (tx) => endAlert({ tx, cause }))
/** What two replicas mail that look at once; the mails are gone afterwards. */
async function mailed() {
  await Promise.all([mailAlerts({ ctx }), mailAlerts({ ctx })])
  const mails = await ctx.db.mail.findMany()
  await ctx.db.mail.deleteMany()
  return mails.map(({ recipients, props }) => [...recipients, (props as { cause: string }).cause].join(' '))
}

test('O2: an alert is mailed once while it lasts, and again when it is back after it was over for long', async () => {
  await Promise.all([raise('disk:a'), raise('disk:a'), raise('disk:b')])
  await raise('disk:a')
  expect((await mailed()).sort()).toEqual(['operator@example.com disk:a', 'operator@example.com disk:b'])
  expect(await mailed()).toEqual([])
  // It comes and goes: the same one.
  await end('disk:a')
  await Promise.all([raise('disk:a'), raise('disk:a')])
  expect(await mailed()).toEqual([])
  expect(await ctx.db.alert.count({ where: { endedAt: null } })).toBe(2)
  await end('disk:a')
  await ctx.db.$executeRaw`UPDATE alerts SET ended_at = now() - interval '31 minutes' WHERE cause = 'disk:a'`
  await raise('disk:a')
  expect(await mailed()).toEqual(['operator@example.com disk:a'])
})

test('F2, F7: what the tables say lasts is raised once, and ends when it is over', async () => {
  const host = await ctx.db.hostServer.create({
    data: { name: 'h', lastSeen: new Date(), diskTotalBytes: 100n, diskFreeBytes: 5n, heldOrphans: 2 },
  })
  const lease = (leaseExpiresAt: Date) => ({ replica: 'r', epoch: 1n, leaseExpiresAt })
  await ctx.db.hostSession.create({ data: { hostId: host.id, ...lease(new Date(Date.now() + 60_000)) } })
  const person = (data: object) =>
    ctx.db.user.create({
      data: {
        email: `${crypto.randomUUID()}@example.com`,
        assistant: { create: { model: 'm', desired: 'PRESENT', ...data } },
      },
    })
  const waiting = await person({ status: 'PROVISIONING' })
  const looping = await person({ status: 'ERROR', lastErrorCode: 'crash_loop', hostServerId: host.id })
  const open = async () => {
    await Promise.all([watchFleet({ ctx }), watchFleet({ ctx })])
    const alerts = await ctx.db.alert.findMany({ where: { endedAt: null }, orderBy: { cause: 'asc' } })
    return alerts.map(({ cause }) => cause)
  }
  expect(await open()).toEqual(['crash_loop:h', 'disk:h', 'no_capacity', 'orphans:h'])
  await ctx.db.hostServer.updateMany({ data: { diskFreeBytes: 50n, heldOrphans: 0 } })
  await ctx.db.user.deleteMany({ where: { id: { in: [waiting.id, looping.id] } } })
  expect(await open()).toEqual([])
  await ctx.db.hostSession.updateMany({ data: lease(new Date(Date.now() - 61_000)) })
  expect(await open()).toEqual(['host_silent:h'])
  await ctx.db.hostServer.updateMany({ data: { state: 'REVOKED' } })
  expect(await open()).toEqual([])
})
