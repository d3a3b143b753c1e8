import { createServer } from 'node:net'
import { type Database, openDatabase } from '@yourclaw/db'
import { PgBoss } from 'pg-boss'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createDeliveryQueues, deadDeliveryQueue } from '../../jobs/deliveries.ts'
import { createFixture, createPerson, type Fixture } from '../../services/conversation/fixtures.ts'
import { healthRoutes } from './health.ts'

let fixture: Fixture
let boss: PgBoss
let db: Database

beforeEach(async () => {
  fixture = await createFixture()
  db = fixture.db
  boss = new PgBoss({ connectionString: fixture.url, supervise: false, schedule: false })
  boss.on('error', () => {})
  await boss.start()
  await createDeliveryQueues(boss)
})
afterEach(async () => {
  await boss.stop({ graceful: false })
  await fixture.close()
})

const ago = (ms: number) => new Date(fixture.clock.at - ms)
async function ready(ctx = fixture.ctx) {
  const response = await healthRoutes(ctx).request('/health/ready')
  const report = (await response.json()) as {
    status: string
    checks: Record<string, { ok: boolean; detail?: string }>
  }
  return { httpStatus: response.status, ...report }
}
/** A person on a host that was heard of just now. */
async function person() {
  const made = await createPerson(db)
  await lease(made.hostId, 30_000)
  return { ...made, assistant: await db.assistant.findUniqueOrThrow({ where: { userId: made.userId } }) }
}
const lease = (hostId: string, ms: number) =>
  db.hostSession.update({ where: { hostId }, data: { leaseExpiresAt: new Date(fixture.clock.at + ms) } })

async function send(userId: string, state: 'PENDING' | 'DEAD', createdAt: Date, seq: bigint, more = {}) {
  const where = { channel: 'TELEGRAM', address: 'a' } as const
  const outgoing = { ...where, userId, direction: 'OUTBOUND', state: 'PENDING', body: 'x', seq } as const
  const delivery = { ...where, userId, part: 0, payload: {}, state, createdAt, ...more }
  await db.message.create({ data: { ...outgoing, deliveries: { create: delivery } } })
}

test('O2: with a host and nothing late it is ready, and short waits are nobody’s problem', async () => {
  const { userId, assistant } = await person()
  await db.turn.create({ data: { assistantId: assistant.id, createdAt: ago(119_000) } })
  await send(userId, 'PENDING', ago(10 * 60_000), 1n)
  expect(await ready()).toEqual({
    httpStatus: 200,
    status: 'ready',
    checks: {
      database: { ok: true },
      queue: { ok: true },
      deliveries: { ok: true },
      deadLetters: { ok: true },
      hosts: { ok: true, detail: '1 connected' },
    },
  })
})

test('O2: a turn that no host takes is named with its age', async () => {
  const { assistant } = await person()
  await db.turn.create({ data: { assistantId: assistant.id, createdAt: ago(130_000) } })
  expect(await ready()).toMatchObject({
    httpStatus: 200,
    status: 'degraded',
    checks: { queue: { ok: false, detail: '1 turn open, the oldest has waited 130 s for a host' } },
  })
})

test('F8: a turn behind the running one, or of an assistant that failed, makes nobody else unready', async () => {
  const [busy, broken] = [await person(), await person()]
  const { id: assistantId } = busy.assistant
  const running = { hostServerId: busy.hostId, sessionEpoch: 1n, attempts: 1, claimedAt: ago(500_000) }
  await db.turn.create({ data: { assistantId, state: 'RUNNING', createdAt: ago(500_000), ...running } })
  await db.turn.create({ data: { assistantId, createdAt: ago(400_000) } })
  await db.assistant.update({ where: { id: broken.assistant.id }, data: { status: 'ERROR' } })
  await db.turn.create({ data: { assistantId: broken.assistant.id, createdAt: ago(400_000) } })
  expect(await ready()).toMatchObject({ status: 'ready', checks: { queue: { ok: true } } })
})

test('O2: messages that are not sent are named with their age', async () => {
  const { userId } = await person()
  await send(userId, 'PENDING', ago(16 * 60_000), 1n)
  await send(userId, 'PENDING', ago(1_000), 2n)
  expect(await ready()).toMatchObject({
    status: 'degraded',
    checks: { deliveries: { ok: false, detail: '2 parts of messages to send, the oldest for 16 min' } },
  })
})

test('O2: what only its person can change is no problem: a closed window, a STOP, a number given up', async () => {
  const { userId } = await person()
  await send(userId, 'PENDING', ago(20 * 3_600_000), 1n, { heldAt: ago(20 * 3_600_000) })
  for (let seq = 2n; seq < 10n; seq += 1n) {
    const lastErrorCode = seq % 2n === 0n ? 'opted_out' : 'unbound'
    await send(userId, 'DEAD', ago(60_000), seq, { lastErrorCode })
  }
  expect(await ready()).toMatchObject({ status: 'ready' })
})

test('O2: dead letters are always shown, and many at once are a problem', async () => {
  const { userId } = await person()
  await boss.send(deadDeliveryQueue, {})
  await send(userId, 'DEAD', ago(2 * 3_600_000), 1n)
  const detail = '1 dead letter kept for an operator, 0 of the last hour'
  expect(await ready()).toMatchObject({ status: 'ready', checks: { deadLetters: { ok: true, detail } } })
  for (let seq = 2n; seq < 8n; seq += 1n) {
    await boss.send(deadDeliveryQueue, {})
    await send(userId, 'DEAD', ago(60_000), seq)
  }
  expect(await ready()).toMatchObject({
    status: 'degraded',
    checks: { deadLetters: { ok: false, detail: '7 dead letters kept for an operator, 6 of the last hour' } },
  })
})

test('O2: hosts that are away, about to be, or not there at all are told apart', async () => {
  expect((await ready()).checks.hosts).toEqual({ ok: false, detail: 'no host is connected' })
  const [first, second] = [await person(), await person()]
  await db.hostServer.update({ where: { id: first.hostId }, data: { currentContainers: 3 } })
  await lease(first.hostId, -1)
  await lease(second.hostId, 9_000)
  const { status, checks } = await ready()
  const detail = '1 connected, 1 host away with 3 assistants, 1 host silent, the session is about to end'
  expect([status, checks.hosts]).toEqual(['degraded', { ok: false, detail }])
  await lease(second.hostId, 30_000)
  await db.hostServer.update({ where: { id: first.hostId }, data: { currentContainers: 0 } })
  expect((await ready()).checks.hosts).toEqual({ ok: true, detail: '1 connected' })
})

test('O2: a database that refuses or hangs is down within seconds, and the process still lives', async () => {
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  for (const at of [1, port]) {
    const ctx = { ...fixture.ctx, db: openDatabase(`postgresql://u:p@127.0.0.1:${at}/x`) }
    expect(await ready(ctx)).toEqual({
      httpStatus: 503,
      status: 'down',
      checks: { database: { ok: false, detail: 'does not answer' } },
    })
    expect((await healthRoutes(ctx).request('/health')).status).toBe(200)
  }
  silent.close()
})
