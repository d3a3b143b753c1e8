import { Prisma } from '@yourclaw/db'
import { tracingOff } from '@yourclaw/telemetry'
import type { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ChannelSender, SendError } from '../channels/sender.ts'
import { inTransaction } from '../context.ts'
import { listen, type Notifications } from '../lib/notifications.ts'
import { observeSenders, watchDeliveries } from '../observability/deliveries.ts'
import { createMetrics } from '../observability/metrics.ts'
import { hearFrom } from '../services/channel/hear-from.ts'
import { createFixture, createPerson, type Fixture, written } from '../services/conversation/fixtures.ts'
import { sendNotice, sendNoticeIn } from '../services/conversation/send-notice.ts'
import { recordFate } from '../services/delivery/record-fate.ts'
import { openBoss } from './boss.ts'
import { listDeadLetters, resendDeadLetter } from './dead-letters.ts'
import {
  createDeliveryQueues,
  createOutbox,
  type DeliveryDeps,
  deadDeliveryQueue,
  deliveryQueue,
  reopenLines,
  workDeliveries,
} from './deliveries.ts'
import type { QueueRunner } from './run-queue.ts'
import { waitOf } from './wait-longer.ts'

let fixture: Fixture
let boss: PgBoss
let notifications: Notifications
let deps: DeliveryDeps
let runner: QueueRunner
const metrics = createMetrics()
const slow = new Map<string, Promise<void>>()
const failures = new Map<string, SendError[]>()
const sent: { channel: string; address: string; text: string; at: number }[] = []
const sender: ChannelSender = {
  typingLastsMs: 5_000,
  tellsFate: false,
  async typing() {},
  async send(address, { text }) {
    const failure = failures.get(address)?.shift()
    if (failure) throw failure
    await slow.get(address)
    sent.push({ channel: 'TELEGRAM', address, text, at: performance.now() })
    return { providerMessageId: String(sent.length) }
  },
}

beforeAll(async () => {
  fixture = await createFixture()
  boss = await openBoss(fixture.url, fixture.ctx.log)
  notifications = await listen(fixture.url, fixture.ctx.log)
  await createDeliveryQueues(boss)
  const outbox = createOutbox(boss)
  fixture.ctx.outbox = outbox
  const { ctx } = fixture
  const watch = watchDeliveries({ metrics, tracing: tracingOff, clock: ctx.clock })
  const senders = observeSenders({ TELEGRAM: sender, WHATSAPP: followed }, metrics, ctx.clock)
  deps = { boss, outbox, ctx, senders, notifications, watch }
  runner = workDeliveries(deps)
})
afterAll(async () => {
  await runner.stop(1_000)
  await notifications.close()
  await boss.stop({ graceful: false })
  await fixture.close()
})

const say = (userId: string, text: string) =>
  sendNotice({ ctx: fixture.ctx, input: { userId, code: 'test', text } })
const jobsOf = (address: string) => boss.findJobs(deliveryQueue, { key: `WHATSAPP:${address}` })
const wait = { timeout: 20_000 }
const textsTo = (address: string) => sent.filter((item) => item.address === address).map((item) => item.text)

test('M6: a 429 is retried after its wait, and later messages stay behind it', async () => {
  const { userId, address } = await createPerson(fixture.db)
  failures.set(address, [new SendError('telegram_429', { retryAfterMs: 7000 })])
  const begun = performance.now()
  await say(userId, 'one')
  await say(userId, 'two')
  await expect.poll(() => textsTo(address), { timeout: 20_000 }).toEqual(['one', 'two'])
  expect((sent.find((item) => item.address === address)?.at ?? 0) - begun).toBeGreaterThan(6900)
  await expect.poll(() => fixture.db.message.count({ where: { userId, state: 'SENT' } })).toBe(2)
})

test('M4: messages go out in the order in which they were stored, whenever their transactions began', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const released = Promise.withResolvers<void>()
  slow.set(address, released.promise)
  const [begun, stored] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const late = inTransaction(fixture.ctx, async (tx) => {
    await tx.$queryRaw`SELECT now()`
    begun.resolve()
    await stored.promise
    await sendNoticeIn(tx, fixture.ctx, { userId, code: 'test', text: 'two' })
  })
  await begun.promise
  for (const text of ['zero', 'one']) await say(userId, text)
  stored.resolve()
  await late
  released.resolve()
  await expect.poll(() => textsTo(address), wait).toEqual(['zero', 'one', 'two'])
})

test('M4: answers that are stored together go by when they were stored, too', async () => {
  const { ctx } = fixture
  // Of a process that sends nothing itself.
  const outbox = createOutbox(boss)
  const to = { channel: 'TELEGRAM', address: crypto.randomUUID() } as const
  const [before, after] = [crypto.randomUUID(), crypto.randomUUID()]
  await ctx.pool.transaction(async (tx) => {
    await tx.query(Prisma.sql`SELECT now()`)
    await inTransaction(ctx, (other) => outbox.enqueueMessage(other, to, before))
    await outbox.enqueueMessages(tx, [{ to, messageId: after }])
  })
  const jobs = await boss.findJobs<{ messageId: string }>(deliveryQueue, { key: `TELEGRAM:${to.address}` })
  const inLine = jobs.toSorted((a, b) => a.createdOn.getTime() - b.createdOn.getTime())
  expect(inLine.map(({ data }) => data.messageId)).toEqual([before, after])
})

test('M6: waiting for room at the provider is no failed try, and ends by its age alone', async () => {
  const { db, clock } = fixture
  const noRoom = () => new SendError('telegram_429', { retryAfterMs: 3_000 })
  const waiting = async (sinceMs: number, text: string) => {
    const { userId, address } = await createPerson(db)
    failures.set(address, [noRoom(), noRoom()])
    await say(userId, text)
    const key = `TELEGRAM:${address}`
    await expect.poll(async () => (await boss.findJobs(deliveryQueue, { key }))[0]?.state, wait).toBe('retry')
    // As if it had been put off many more times than it may be tried.
    const waited = JSON.stringify({ waited: { count: 500, sinceMs } })
    await db.$executeRaw`UPDATE pgboss.job SET retry_count = 500, retry_limit = 560, data = data || ${waited}::jsonb
      WHERE singleton_key = ${key}`
    return { userId, address }
  }
  const patient = await waiting(clock.at - 47 * 3_600_000, 'in the end')
  const late = await waiting(clock.at - 48 * 3_600_000, 'too late')
  await expect.poll(() => textsTo(patient.address), wait).toEqual(['in the end'])
  await expect.poll(() => db.delivery.count({ where: { userId: late.userId, state: 'DEAD' } }), wait).toBe(1)
  expect(textsTo(late.address)).toEqual([])
  const letters = await boss.findJobs<object>(deadDeliveryQueue)
  expect(letters.filter(({ data }) => 'waited' in data)).toEqual([])
  // They are this test's alone.
  for (const { id } of letters) await boss.deleteJob(deadDeliveryQueue, id)
})

test('M6: where the provider does not say how long, each wait is longer, and our own pace makes none so', async () => {
  const { db } = fixture
  const { userId, address } = await createPerson(db)
  const full = (isGuess: boolean) => new SendError('twilio_20429', { retryAfterMs: 1_000, isGuess })
  failures.set(address, [full(false), full(true), full(true)])
  await say(userId, 'in the end')
  await expect.poll(() => textsTo(address), wait).toEqual(['in the end'])
  const [job] = await boss.findJobs<object>(deliveryQueue, { key: `TELEGRAM:${address}` })
  expect(job?.data).toMatchObject({ waited: { count: 3, guessed: 2 } })
  const waits = (isGuess: boolean) =>
    [0, 1, 4, 5, 500].map((guessed) =>
      waitOf({ retryAfterMs: 10_000, isGuess }, { count: 900, sinceMs: 0, guessed }),
    )
  expect(waits(true)).toEqual([10_000, 20_000, 160_000, 300_000, 300_000])
  expect(waits(false)).toEqual([0, 1, 4, 5, 500].map(() => 10_000))
  const day = { retryAfterMs: 3_600_000, isGuess: true }
  expect(waitOf(day, { count: 9, sinceMs: 0, guessed: 9 })).toBe(3_600_000)
})

/** A provider that tells later: here right before its answer, which for our own messages is lost on the way. */
const followed: ChannelSender = {
  typingLastsMs: 25_000,
  tellsFate: true,
  async typing() {},
  async send(address, payload, attempt) {
    sent.push({ channel: 'WHATSAPP', address, text: payload.text, at: performance.now() })
    const providerMessageId = `SM${sent.length}`
    if (!attempt) return { providerMessageId }
    const input = { ...attempt, providerMessageId, fate: { state: 'DELIVERED' } } as const
    await recordFate({ ctx: fixture.ctx, input })
    throw new SendError('twilio_unreachable')
  },
}

test('M6: what the provider says it has is not sent again, though its answer was lost', async () => {
  const { userId, address } = await createPerson(fixture.db, { channel: 'WHATSAPP' })
  const to = { channel: 'WHATSAPP', address } as const
  await hearFrom({ ctx: fixture.ctx, input: { message: written(to) } })
  await say(userId, 'once')
  await expect
    .poll(async () => (await jobsOf(address)).map(({ state }) => state), wait)
    .toEqual(['completed'])
  expect(textsTo(address)).toEqual(['once'])
  expect(await fixture.db.message.findFirst({ where: { userId } })).toMatchObject({ state: 'DELIVERED' })
})

test('M12: what waits for the window goes out, in order, once the person writes', async () => {
  const { userId, address } = await createPerson(fixture.db, { channel: 'WHATSAPP' })
  const to = { channel: 'WHATSAPP', address } as const
  for (const text of ['one', 'two']) await say(userId, text)
  const held = () => fixture.db.delivery.count({ where: { userId, heldAt: { not: null } } })
  await expect.poll(held, wait).toBe(2)
  await expect.poll(() => textsTo(address), wait).toEqual([''])
  await hearFrom({ ctx: fixture.ctx, input: { message: written(to) } })
  await expect.poll(() => textsTo(address), wait).toEqual(['', 'one', 'two'])
})

test('M6: what can never be sent is a dead letter, and does not block the next message', async () => {
  const { userId, address } = await createPerson(fixture.db)
  failures.set(address, [new SendError('telegram_403', { kind: 'permanent' })])
  await say(userId, 'lost')
  await say(userId, 'next')
  await expect.poll(() => textsTo(address), { timeout: 20_000 }).toEqual(['next'])
  expect(
    await fixture.db.delivery.count({ where: { userId, state: 'DEAD', lastErrorCode: 'telegram_403' } }),
  ).toBe(1)
  expect(await boss.findJobs(deadDeliveryQueue)).toHaveLength(1)
})

test('M6: an operator sees what was given up and sends it again, once', async () => {
  const { userId, address } = await createPerson(fixture.db)
  failures.set(address, [new SendError('telegram_403', { kind: 'permanent' })])
  await say(userId, 'given up')
  const { db } = fixture
  const mine = async () => (await listDeadLetters({ db, boss })).filter(({ messageId }) => messageId === id)
  const { id } = await db.message.findFirstOrThrow({ where: { userId } })
  await expect.poll(mine).toMatchObject([{ channel: 'TELEGRAM', code: 'telegram_403' }])
  // Its provider had failed as often as it may.
  await db.delivery.updateMany({ where: { messageId: id }, data: { failures: 5, waits: 36 } })
  const [letter] = await mine()
  const resend = () => resendDeadLetter({ db, boss }, { id: letter?.id ?? '', actor: 'operator:test' })
  expect((await Promise.all([resend(), resend(), resend()])).filter(Boolean)).toHaveLength(1)
  await expect.poll(() => textsTo(address), { timeout: 10_000 }).toEqual(['given up'])
  await expect.poll(() => db.message.count({ where: { id, state: 'SENT' } })).toBe(1)
  expect(await db.delivery.findFirst({ where: { messageId: id } })).toMatchObject({ failures: 0, waits: 0 })
  expect(await mine()).toEqual([])
})

test('F8: a recipient whose provider hangs keeps nobody else waiting', async () => {
  const [stuck, ...others] = await Promise.all(Array.from({ length: 25 }, () => createPerson(fixture.db)))
  if (!stuck) throw new Error('no person')
  const released = Promise.withResolvers<void>()
  slow.set(stuck.address, released.promise)
  await say(stuck.userId, 'stuck')
  for (const { userId } of others) await say(userId, 'one')
  for (const { userId } of others) await say(userId, 'two')
  await expect
    .poll(() => others.every(({ address }) => textsTo(address).join() === 'one,two'), { timeout: 10_000 })
    .toBe(true)
  expect(textsTo(stuck.address)).toEqual([])
  released.resolve()
  await expect.poll(() => textsTo(stuck.address)).toEqual(['stuck'])
})

test('M6: a job that failed without us is buried, and its line opens again', async () => {
  const { userId, address } = await createPerson(fixture.db)
  failures.set(address, [new SendError('telegram_unreachable')])
  await say(userId, 'lost')
  const key = `TELEGRAM:${address}`
  await expect.poll(async () => (await boss.findJobs(deliveryQueue, { key }))[0]?.state).toBe('retry')
  // What pg-boss does to a job whose last attempt died with its process.
  await fixture.db.$executeRaw`UPDATE pgboss.job SET state = 'failed' WHERE singleton_key = ${key}`
  await say(userId, 'next')
  expect(await reopenLines(deps)).toBe(1)
  await expect.poll(() => textsTo(address), { timeout: 10_000 }).toEqual(['next'])
  expect(await fixture.db.delivery.count({ where: { userId, state: 'DEAD' } })).toBe(1)
  expect(await reopenLines(deps)).toBe(0)
})

test('M6: a job whose message was not stored sends nothing, and is no failure', async () => {
  const before = sent.length
  const recipients = (['TELEGRAM', 'WHATSAPP'] as const).map((channel) => ({
    channel,
    address: crypto.randomUUID(),
  }))
  for (const to of recipients) {
    const key = `${to.channel}:${to.address}`
    await boss.send(deliveryQueue, { ...to, messageId: crypto.randomUUID() }, { singletonKey: key })
    runner.wake()
    const states = async () => (await boss.findJobs(deliveryQueue, { key })).map(({ state }) => state)
    await expect.poll(states).toEqual(['completed'])
  }
  expect(sent).toHaveLength(before)
})

test('M6: a job nobody can read holds nobody back', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const singletonKey = `TELEGRAM:${address}`
  const deadBefore = (await boss.findJobs(deadDeliveryQueue)).length
  const id = await boss.send(deliveryQueue, { of: 'another release' }, { singletonKey, retryLimit: 0 })
  await say(userId, 'next')
  // It is tried again as long as any other, in case the release that can read it runs beside this one.
  await expect
    .poll(async () => (await boss.findJobs(deliveryQueue, { id: id ?? '' }))[0]?.state)
    .toBe('failed')
  await reopenLines(deps)
  await expect.poll(() => textsTo(address), { timeout: 10_000 }).toEqual(['next'])
  expect(await boss.findJobs(deadDeliveryQueue)).toHaveLength(deadBefore + 1)
})

test('O2: messages sent and given up are counted by channel', async () => {
  const counted = async () => {
    const { values } = await metrics.deliveries.get()
    return values.map(({ labels, value }) => `${labels.channel} ${labels.outcome} ${value}`).sort()
  }
  const jobs = (channel: string) => sent.filter((item) => item.channel === channel).length
  await expect
    .poll(counted, wait)
    .toEqual(['TELEGRAM dead 3', `TELEGRAM sent ${jobs('TELEGRAM')}`, `WHATSAPP sent ${jobs('WHATSAPP')}`])
})
