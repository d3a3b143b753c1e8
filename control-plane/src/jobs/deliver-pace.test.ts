import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChannelSender } from '../channels/sender.ts'
import { createPace } from '../lib/pace.ts'
import { hearFrom } from '../services/channel/hear-from.ts'
import { createFixture, createPerson, type Fixture, written } from '../services/conversation/fixtures.ts'
import { sendNotice } from '../services/conversation/send-notice.ts'
import { takePace } from '../services/delivery/take-pace.ts'
import { type Delivering, deliver } from './deliver.ts'
import { loadDue } from './load-due.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

/** Somebody on WhatsApp for whom an answer of so many parts is due; `go` is one attempt to send it. */
async function due(parts: number, rate = { perSecond: 1_000, burst: 1_000 }) {
  const { ctx, db } = fixture
  const { userId, address } = await createPerson(db, { channel: 'WHATSAPP' })
  const to = { channel: 'WHATSAPP', address } as const
  await hearFrom({ ctx, input: { message: written(to) } })
  const text = Array.from({ length: parts }, (_, index) => `${index} ${'x'.repeat(1_590)}`).join('\n\n')
  await sendNotice({ ctx, input: { userId, code: 'test', text } })
  const { id: messageId } = await db.message.findFirstOrThrow({ where: { userId } })
  const sent: number[] = []
  const sender: ChannelSender = {
    typingLastsMs: 25_000,
    tellsFate: true,
    async typing() {},
    async send(_address, payload) {
      sent.push(Number.parseInt(payload.text, 10))
      return { providerMessageId: `SM${crypto.randomUUID()}` }
    },
  }
  const deps: Delivering = {
    ctx,
    senders: { WHATSAPP: sender },
    pace: createPace(ctx.clock, rate),
    settle: async () => false,
    load: async (id) =>
      (await loadDue({ ctx, messageIds: [id] }))[0] as Awaited<ReturnType<Delivering['load']>>,
  }
  const job = { id: crypto.randomUUID(), retryCount: 0 }
  const go = () => deliver(deps, { ...to, messageId }, job, () => {}).catch((error: unknown) => error)
  return { to, sent, go }
}

test('M6: a long answer on WhatsApp goes as fast as WhatsApp takes it from one person, in order', async () => {
  const { ctx, clock } = fixture
  const { to, sent, go } = await due(22)
  expect(await go()).toMatchObject({ code: 'paced', kind: 'retry', retryAfterMs: 12_000 })
  expect(sent).toEqual([...Array(20).keys()])
  clock.at += 11_000
  expect(await go()).toMatchObject({ code: 'paced', retryAfterMs: 1_000 })
  clock.at += 1_000
  expect(await go()).toMatchObject({ outcome: 'sent' })
  expect(sent).toEqual([...Array(22).keys()])
  // Replicas share it: of what comes at once, one takes the next place.
  clock.at += 6_000
  const take = (parts: number) => takePace({ ctx, input: { to, parts } })
  expect((await Promise.all([take(1), take(1), take(1)])).toSorted()).toEqual([0, 6_000, 6_000])
  expect([await take(2), await take(99)]).toEqual([12_000, 120_000])
})

test('M6: the number’s own rate holds for everybody together', async () => {
  const rate = { perSecond: 1, burst: 2 }
  const { sent, go } = await due(3, rate)
  expect(await go()).toMatchObject({ code: 'paced', retryAfterMs: 1_000 })
  expect(sent).toEqual([0, 1])
  fixture.clock.at += 1_000
  expect(await go()).toMatchObject({ outcome: 'sent' })
})
