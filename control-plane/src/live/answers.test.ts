import { randomUUID } from 'node:crypto'
import { openPool } from '@yourclaw/db'
import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TurnListener } from '../fleet/audience.ts'
import { listen, type Notifications } from '../lib/notifications.ts'
import { createLiveAnswers, type LiveAnswers } from './answers.ts'

const log = pino({ enabled: false })
const clock = { aheadMs: 0, now: () => Date.now() + clock.aheadMs }
let database: TestDatabase
interface Replica {
  live: LiveAnswers
  notifications: Notifications
  statements: string[]
  /** Statements fail while it is set. */
  isCut: boolean
  close(): Promise<void>
}
let replicas: [Replica, Replica]

beforeAll(async () => {
  database = await createTestDatabase()
  replicas = [await start(), await start()]
})
afterAll(async () => {
  for (const { close } of replicas) await close()
  await database.close()
})

async function start(): Promise<Replica> {
  const pool = openPool(database.url, 2)
  const notifications = await listen(database.url, log, pool.isOwn)
  const replica: Replica = {
    live: createLiveAnswers({
      pool: {
        query: async (sql) => {
          replica.statements.push(sql.sql)
          if (replica.isCut) throw new Error('cut')
          return pool.query(sql)
        },
      },
      notifications,
      clock,
      log,
    }),
    notifications,
    statements: [],
    isCut: false,
    async close() {
      replica.live.close()
      await notifications.close()
      await pool.close()
    },
  }
  return replica
}

const begin = ({ live }: Replica, userId: string, turnId: string = randomUUID()) =>
  live.begin({ turnId, userId, channel: 'WEB', address: userId, replyTo: null }) as Required<TurnListener>

/** Resolves once the answer is that text. */
function sees({ live }: Replica, userId: string, text: string | undefined) {
  const seen = Promise.withResolvers<void>()
  const look = () => watch.answer()?.text === text && seen.resolve()
  const watch = live.watch(userId, look)
  look()
  return seen.promise.finally(watch.stop)
}

test('F8: a turn that nobody watches, or only people on its own replica, costs no statement', async () => {
  const [here] = replicas
  const userId = randomUUID()
  const quiet = begin(here, userId)
  await quiet.text('nobody sees it')
  const watch = here.live.watch(userId, () => {})
  await quiet.text('nobody else sees it')
  expect(watch.answer()?.text).toBe('nobody else sees it')
  quiet.end('answered')
  expect(watch.answer()).toBeUndefined()
  watch.stop()
  expect(here.statements).toEqual([])
})

test('F8: watched elsewhere, pieces that come together are told together, and the end ends it', async () => {
  const [here, there] = replicas
  const userId = randomUUID()
  const watch = there.live.watch(userId, () => {})
  const { text, end } = begin(here, userId)
  let all = ''
  await expect
    .poll(async () => {
      all += 'word '
      await text(all)
      return watch.answer() !== undefined
    })
    .toBe(true)
  const before = here.statements.length
  for (let count = 0; count < 1_000; count += 1) {
    all += 'word '
    await text(all)
  }
  await sees(there, userId, all)
  expect(here.statements.length - before).toBeLessThan(5)
  end('answered')
  await sees(there, userId, undefined)
  watch.stop()
})

test('M1: what was lost between replicas is asked for again', async () => {
  const [here, there] = replicas
  const userId = randomUUID()
  const watch = there.live.watch(userId, () => {})
  const { text, end } = begin(here, userId)
  await text('one ')
  await sees(there, userId, 'one ')
  here.isCut = true
  const before = here.statements.length
  await text('one two ')
  await expect.poll(() => here.statements.length).toBe(before + 1)
  here.isCut = false
  clock.aheadMs += 2_000
  await text('one two three')
  await sees(there, userId, 'one two three')
  end('cut')
  watch.stop()
})

test('M11: another attempt that begins with the same words is shown alone', async () => {
  const [here, there] = replicas
  const userId = randomUUID()
  const turnId = randomUUID()
  const first = begin(here, userId, turnId)
  const watches = replicas.map(({ live }) => live.watch(userId, () => {}))
  await first.text('I am sure it is Paris.')
  await sees(there, userId, 'I am sure it is Paris.')
  first.end('cut')
  const second = begin(here, userId, turnId)
  for (const soFar of ['I', 'I would', 'I would rather say that it is Rome.']) await second.text(soFar)
  for (const replica of replicas) await sees(replica, userId, 'I would rather say that it is Rome.')
  second.end('answered')
  for (const { stop } of watches) stop()
})

test('M15: a turn that another replica carries on is shown as that one tells it', async () => {
  const [here, there] = replicas
  const userId = randomUUID()
  const turnId = randomUUID()
  const first = begin(here, userId, turnId)
  const watches = replicas.map(({ live }) => live.watch(userId, () => {}))
  await first.text('begun here')
  await sees(there, userId, 'begun here')
  first.end('cut')
  const second = begin(there, userId, turnId)
  await second.text('begun here, ended there')
  for (const replica of replicas) await sees(replica, userId, 'begun here, ended there')
  second.end('answered')
  for (const replica of replicas) await sees(replica, userId, undefined)
  for (const { stop } of watches) stop()
})

test('M11: a cut stream that ends late takes nothing from its successor, here or on another replica', async () => {
  const [here, there] = replicas
  const userId = randomUUID()
  const turnId = randomUUID()
  const watches = replicas.map(({ live }) => live.watch(userId, () => {}))
  const cut = begin(here, userId, turnId)
  await cut.text('one')
  const second = begin(here, userId, turnId)
  await second.text('one two')
  cut.end('cut')
  await cut.text('one of its own')
  for (const replica of replicas) await sees(replica, userId, 'one two')
  await second.text('one two three')
  for (const replica of replicas) await sees(replica, userId, 'one two three')
  const third = begin(there, userId, turnId)
  await third.text('one two three four')
  third.end('answered')
  for (const replica of replicas) await sees(replica, userId, undefined)
  second.end('cut')
  for (const replica of replicas) await sees(replica, userId, undefined)
  for (const { stop } of watches) stop()
})
