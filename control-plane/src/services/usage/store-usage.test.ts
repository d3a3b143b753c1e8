import { randomUUID } from 'node:crypto'
import { Provider, UsageCount } from '@yourclaw/proto/host/v1'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTransaction } from '../../context.ts'
import { claimTurns } from '../conversation/claim-turns.ts'
import { failTurn } from '../conversation/fail-turn.ts'
import { createFixture, createPerson, type Fixture } from '../conversation/fixtures.ts'
import { readAllowances } from '../credit/allowances.ts'
import { grantCredit } from '../credit/grant-credit.ts'
import { readCredits } from '../credit/read-credits.ts'
import { setCap } from '../credit/set-cap.ts'
import { readUsage } from './read-usage.ts'
import { storeUsage } from './store-usage.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

async function person(creditMicros = 10_000_000n) {
  const { userId, hostId, address } = await createPerson(fixture.db)
  const { id: assistantId } = await fixture.db.assistant.findUniqueOrThrow({ where: { userId } })
  const grant = { userId, amountMicros: creditMicros, reason: 'grant', reference: 'g' } as const
  await inTransaction(fixture.ctx, (tx) => grantCredit({ tx, ...grant }))
  const series = randomUUID()
  const count = (more: Partial<UsageCount> = {}) =>
    UsageCount.create({
      series,
      assistantId,
      provider: Provider.PROVIDER_ANTHROPIC,
      model: 'claude-x',
      priceVersion: 'p1',
      fromUnixMs: BigInt(fixture.clock.at),
      calls: 1,
      inputTokens: 100n,
      outputTokens: 10n,
      costMicros: 500n,
      ...more,
    })
  const store = (counts: UsageCount[], from = hostId) =>
    storeUsage({ ctx: fixture.ctx, input: { hostId: from, counts } })
  const left = async () => (await readCredits({ ctx: fixture.ctx, input: { userId } })).remainingMicros
  const allowance = async () => {
    const [one] = await readAllowances({ ctx: fixture.ctx, input: { hostId, assistantIds: [assistantId] } })
    return one && [Number(one.remainingMicros), one.bound]
  }
  const told = async () => {
    const notices = await fixture.db.message.findMany({ where: { userId, kind: 'NOTICE' } })
    return notices.map(({ code }) => code)
  }
  return { userId, hostId, address, assistantId, count, store, left, allowance, told }
}

test('B4, B6: counts are cumulative: repeated, reordered and concurrent reports debit each call once', async () => {
  const { store, count, left, userId } = await person()
  const reports = [1, 2, 3, 4].map((calls) =>
    count({ calls, inputTokens: BigInt(calls * 100), costMicros: BigInt(calls * 500) }),
  )
  const own = count({ ownKey: true, calls: 7, inputTokens: 70n, costMicros: 9_000n })
  const shuffled = [3, 1, 0, 2, 3, 2, 0].flatMap((at) => reports[at] ?? [])
  await Promise.all(shuffled.map((report) => store([report, own])))
  await store([reports[0] as UsageCount])
  expect(await left()).toBe(10_000_000 - 2_000)
  const usage = await readUsage({ ctx: fixture.ctx, input: { userId } })
  expect(usage.days).toMatchObject([{ inputTokens: 400, costMicros: 2_000, ownKey: { inputTokens: 70 } }])
  expect(usage.models).toMatchObject([{ model: 'anthropic/claude-x', calls: 11, costMicros: 2_000 }])
})

test('S5, I9: a host counts for its own assistants alone, and what cannot be true is left out', async () => {
  const { store, count, left, userId } = await person()
  const stranger = await person()
  await store([count()], stranger.hostId)
  await store([
    count({ assistantId: randomUUID() }),
    count({ assistantId: 'x' }),
    count({ series: "'; --" }),
    count({ provider: Provider.PROVIDER_UNSPECIFIED }),
    count({ costMicros: 2n ** 63n }),
    count({ fromUnixMs: 0n }),
    count({ fromUnixMs: 2n ** 60n }),
    count({ calls: 4_000_000_000 }),
  ])
  expect(await left()).toBe(10_000_000)
  expect(await fixture.db.usageEvent.count({ where: { userId } })).toBe(0)
  await store([count({ model: `a\u0000b${'m'.repeat(500)}` })])
  expect((await fixture.db.usageEvent.findFirstOrThrow({ where: { userId } })).model).toHaveLength(200)
})

test('B5: at four fifths and at the end the person is told, each once, and the allowance follows', async () => {
  const { store, count, allowance, told, userId } = await person(1_000_000n)
  const spend = (costMicros: bigint, calls: number) => store([count({ costMicros, calls })])
  await spend(700_000n, 1)
  expect(await told()).toEqual([])
  expect(await allowance()).toEqual([300_000, 'credit'])
  await spend(800_000n, 2)
  await spend(900_000n, 3)
  expect(await told()).toEqual(['credit_low'])
  await spend(1_200_000n, 4)
  await spend(1_300_000n, 5)
  expect(await told()).toEqual(['credit_low', 'credit_spent'])
  expect(await allowance()).toEqual([0, 'credit'])
  const more = { userId, amountMicros: 2_000_000n, reason: 'top_up', reference: 't' } as const
  await inTransaction(fixture.ctx, (tx) => grantCredit({ tx, ...more }))
  expect(await allowance()).toEqual([1_700_000, 'credit'])
})

test('B5: the month’s cap bounds and tells like the credit, and the platform’s breaker bounds everybody', async () => {
  const { store, count, allowance, told, userId } = await person()
  expect(await allowance()).toEqual([5_000_000, 'credit'])
  await setCap({ ctx: fixture.ctx, input: { userId, monthlyMicros: 1_000_000 } })
  await store([count({ costMicros: 850_000n })])
  expect(await allowance()).toEqual([150_000, 'month'])
  await store([count({ costMicros: 1_000_000n, calls: 2 })])
  expect(await allowance()).toEqual([0, 'month'])
  expect(await told()).toEqual(['month_cap_near', 'month_cap_reached'])
  const { settings } = fixture.ctx
  const spent = await fixture.db.usageEvent.aggregate({
    where: { ownKey: false },
    _sum: { costMicros: true },
  })
  const total = spent._sum.costMicros ?? 0n
  const other = await person()
  fixture.ctx.settings = { ...settings, platformDailyCapMicros: total + 1_000n }
  expect(await other.allowance()).toEqual([1_000, 'platform'])
  fixture.ctx.settings = { ...settings, platformDailyCapMicros: total }
  expect(await other.allowance()).toEqual([0, 'platform'])
  fixture.ctx.settings = settings
})

test('B4: what a host counted with a clock that is years ahead is debited, today', async () => {
  const { store, count, left, userId } = await person()
  const ahead = BigInt(fixture.clock.at + 3 * 365 * 24 * 3600_000)
  await store([count({ fromUnixMs: ahead })])
  await store([count({ fromUnixMs: ahead, calls: 2, costMicros: 900n })])
  expect(await left()).toBe(10_000_000 - 900)
  const { days } = await readUsage({ ctx: fixture.ctx, input: { userId } })
  expect(days).toMatchObject([
    { date: new Date(fixture.clock.at).toISOString().slice(0, 10), costMicros: 900 },
  ])
})

test('O2: a shared key that its provider refuses alerts operators once, until a call on it is counted again', async () => {
  const { ctx, db, receive } = fixture
  const { userId, hostId, address, store, count } = await person()
  await db.assistant.update({ where: { userId }, data: { model: 'anthropic/claude-x' } })
  const causes = async () => (await db.alert.findMany({ where: { endedAt: null } })).map(({ cause }) => cause)
  for (const text of ['one', 'two']) {
    await receive(address, text)
    const { turns } = await claimTurns({ ctx, input: { hostId, sessionEpoch: 1n, limit: 1 } })
    const failed = { sessionEpoch: 1n, code: 'platform_key_refused', retryable: false }
    await failTurn({ ctx, input: { turnId: turns[0]?.turnId ?? '', ...failed } })
  }
  expect(await causes()).toEqual(['shared_key:anthropic'])
  await store([count({ ownKey: true }), count({ provider: Provider.PROVIDER_OPENAI })])
  expect(await causes()).toEqual(['shared_key:anthropic'])
  await store([count()])
  expect(await causes()).toEqual([])
})
