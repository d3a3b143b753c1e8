import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ctx, inTransaction, systemClock } from '../../context.ts'
import { testSettings } from '../../testing/settings.ts'
import { mailAlerts } from './mail-alerts.ts'
import { type AlertCause, endAlert, raiseAlert } from './raise-alert.ts'

let database: TestDatabase
let ctx: Ctx
beforeAll(async () => {
  database = await createTestDatabase()
  ctx = { db: database.db, clock: systemClock, log: pino({ level: 'silent' }), settings: testSettings }
})
afterAll(() => database.close())

const raise = (cause: AlertCause) => inTransaction(ctx, (tx) => raiseAlert({ tx, cause, detail: 'It is.' }))
const end = (cause: AlertCause) => inTransaction(ctx, (tx) => endAlert({ tx, cause }))
async function mailed() {
  const mails: string[] = []
  const send = async (_: unknown, { to, cause }: { to: string; cause: string }) =>
    void mails.push(`${to} ${cause}`)
  await Promise.all([mailAlerts({ ctx, send }), mailAlerts({ ctx, send })])
  return mails
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

test('O2: an alert whose mail could not be enqueued is mailed the next time', async () => {
  await raise('dead_letters')
  const send = () => Promise.reject(new Error('no queue'))
  await expect(mailAlerts({ ctx, send })).rejects.toThrow('no queue')
  expect(await mailed()).toEqual(['operator@example.com dead_letters'])
})
