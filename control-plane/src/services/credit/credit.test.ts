import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTransaction } from '../../context.ts'
import { createFixture, createPerson, type Fixture } from '../conversation/fixtures.ts'
import { readBalances, spendable } from './balance.ts'
import { grantCredit } from './grant-credit.ts'
import { readCredits } from './read-credits.ts'
import { setCap } from './set-cap.ts'
import { completeTopUp, refundTopUp } from './top-up.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

const grant = (userId: string, reference: string, amountMicros = 10_000_000n) =>
  inTransaction(fixture.ctx, (tx) => grantCredit({ tx, userId, amountMicros, reason: 'grant', reference }))
const credits = (userId: string) => readCredits({ ctx: fixture.ctx, input: { userId } })

test('B6: a grant counts once for its reference, however often and concurrently it is given', async () => {
  const { userId } = await createPerson(fixture.db)
  const given = await Promise.all(Array.from({ length: 10 }, () => grant(userId, 'invoice-1')))
  expect(given.filter(({ isNew }) => isNew)).toHaveLength(1)
  await grant(userId, 'invoice-2', 5n)
  expect((await credits(userId)).remainingMicros).toBe(10_000_005)
})

test('B6: a top-up is credited once, a refund takes it out again, and the ledger says why', async () => {
  const { userId } = await createPerson(fixture.db)
  const paid = { userId, checkoutSessionId: 'cs_1', amountCents: 500 }
  const refund = { userId, refundId: 're_1', amountCents: 200 }
  for (const _ of [1, 2]) {
    await inTransaction(fixture.ctx, (tx) => completeTopUp({ tx, input: paid }))
    await inTransaction(fixture.ctx, (tx) => refundTopUp({ tx, input: refund }))
  }
  const { remainingMicros, entries } = await credits(userId)
  expect(remainingMicros).toBe(3_000_000)
  expect(entries.map(({ reason, amountMicros }) => [reason, amountMicros]).sort()).toEqual([
    ['refund', -2_000_000],
    ['top_up', 5_000_000],
  ])
})

test('B5: what may be spent is the least of the balance and of what the month still allows', async () => {
  const { userId } = await createPerson(fixture.db)
  await grant(userId, 'a')
  const left = async () => {
    const balances = await readBalances(fixture.db, [userId], new Date(fixture.ctx.clock.now()))
    const balance = balances.get(userId)
    return balance && spendable(balance)
  }
  expect(await left()).toBe(10_000_000n)
  const debit = { userId, amountMicros: -1_500_000n, reason: 'usage', reference: 'r1' }
  await fixture.db.creditEntry.create({ data: debit })
  await setCap({ ctx: fixture.ctx, input: { userId, monthlyMicros: 2_000_000 } })
  expect(await left()).toBe(500_000n)
  expect((await credits(userId)).cap).toMatchObject({ monthlyMicros: 2_000_000, spentMicros: 1_500_000 })
  await setCap({ ctx: fixture.ctx, input: { userId, monthlyMicros: 1 } })
  expect(await left()).toBe(0n)
  await setCap({ ctx: fixture.ctx, input: { userId, monthlyMicros: null } })
  expect(await left()).toBe(8_500_000n)
})
