import { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ChannelSender, SendError } from '../channels/sender.ts'
import { hearFrom } from '../services/channel/hear-from.ts'
import { createFixture, createPerson, type Fixture } from '../services/conversation/fixtures.ts'
import { sendNotice } from '../services/conversation/send-notice.ts'
import { recordFate } from '../services/delivery/record-fate.ts'
import {
  createDeliveryQueues,
  createOutbox,
  deadDeliveryQueue,
  deliveryQueue,
  workDeliveries,
} from './deliveries.ts'

let fixture: Fixture
let boss: PgBoss
const failures = new Map<string, SendError[]>()
const sent: { address: string; text: string; at: number }[] = []
const sender: ChannelSender = {
  typingLastsMs: 5_000,
  tellsFate: false,
  async typing() {},
  async send(address, { text }) {
    const failure = failures.get(address)?.shift()
    if (failure) throw failure
    sent.push({ address, text, at: performance.now() })
    return { providerMessageId: String(sent.length) }
  },
}

beforeAll(async () => {
  fixture = await createFixture()
  boss = new PgBoss({ connectionString: fixture.url })
  boss.on('error', () => {})
  await boss.start()
  await createDeliveryQueues(boss)
  fixture.ctx.outbox = createOutbox(boss)
  await workDeliveries({ boss, ctx: fixture.ctx, senders: { TELEGRAM: sender, WHATSAPP: followed } })
})
afterAll(async () => {
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
  failures.set(address, [new SendError('telegram_429', { retryAfterMs: 3000 })])
  const begun = performance.now()
  await say(userId, 'one')
  await say(userId, 'two')
  await expect.poll(() => textsTo(address), { timeout: 20_000 }).toEqual(['one', 'two'])
  expect((sent.find((item) => item.address === address)?.at ?? 0) - begun).toBeGreaterThan(2900)
  await expect.poll(() => fixture.db.message.count({ where: { userId, state: 'SENT' } })).toBe(2)
})

/** A provider that tells later: here right before its answer, which for our own messages is lost on the way. */
const followed: ChannelSender = {
  typingLastsMs: 25_000,
  tellsFate: true,
  async typing() {},
  async send(address, payload, attempt) {
    sent.push({ address, text: payload.text, at: performance.now() })
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
  await hearFrom({ ctx: fixture.ctx, input: { to } })
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
  await hearFrom({ ctx: fixture.ctx, input: { to } })
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
