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

test('O2: what is over before its mail is sent is not mailed', async () => {
  await raise('disk:c')
  await end('disk:c')
  expect(await mailed()).toEqual([])
  // It is back, and now it lasts; its mail is on its way when it is over again.
  await raise('disk:c')
  await mailAlerts({ ctx })
  expect(await ctx.db.mail.count()).toBe(1)
  await end('disk:c')
  expect(await mailed()).toEqual([])
  await raise('disk:c')
  expect(await mailed()).toEqual(['operator@example.com disk:c'])
  await end('disk:c')
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
  const ago = (ms: number) => ({
    generation: 1,
    kind: 'CREATE' as const,
    createdAt: new Date(Date.now() - ms),
  })
  const waiting = await person({ status: 'PROVISIONING', changes: { create: ago(31_000) } })
  const passing = await person({ status: 'PROVISIONING', changes: { create: ago(20_000) } })
  const looping = await person({ status: 'ERROR', lastErrorCode: 'crash_loop', hostServerId: host.id })
  const open = async (at = ctx) => {
    await Promise.all([watchFleet({ ctx: at }), watchFleet({ ctx: at })])
    const alerts = await ctx.db.alert.findMany({ where: { endedAt: null }, orderBy: { cause: 'asc' } })
    return alerts.map(({ cause }) => cause)
  }
  expect(await open()).toEqual(['crash_loop:h', 'disk:h', 'no_capacity', 'orphans:h'])
  await ctx.db.hostServer.updateMany({ data: { diskFreeBytes: 50n, heldOrphans: 0 } })
  const [capacity] = await ctx.db.alert.findMany({ where: { cause: 'no_capacity' } })
  expect(capacity?.detail).toBe('1 wait for a host with room.')
  await ctx.db.user.deleteMany({ where: { id: { in: [waiting.id, looping.id] } } })
  // Who has waited for some seconds waits for a host that is on its way.
  expect(await open()).toEqual([])
  // A change of what is wanted does not begin the wait anew.
  const assistant = await ctx.db.assistant.findUniqueOrThrow({ where: { userId: passing.id } })
  await ctx.db.changeLog.create({ data: { assistantId: assistant.id, generation: 2, kind: 'MODEL' } })
  expect(await open({ ...ctx, clock: { now: () => Date.now() + 11_000 } })).toEqual(['no_capacity'])
  await ctx.db.user.delete({ where: { id: passing.id } })
  expect(await open()).toEqual([])
  await ctx.db.hostSession.updateMany({ data: lease(new Date(Date.now() - 61_000)) })
  expect(await open()).toEqual(['host_silent:h'])
  await ctx.db.hostServer.updateMany({ data: { state: 'REVOKED' } })
  expect(await open()).toEqual([])
})
