import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Provider } from '@yourclaw/proto/host/v1'
import { expect, onTestFinished, test } from 'vitest'
import { openLedger } from './ledger.ts'

const call = {
  assistantId: 'a',
  provider: Provider.PROVIDER_ANTHROPIC,
  model: 'm',
  ownKey: false,
  priceVersion: 'p',
}
const usage = { input: 10, cached: 1, cacheWrite: 2, output: 20, reasoning: 3 }
const outcome = { usage, costMicros: 30, estimated: false }
const estimate = { usage: { ...usage, output: 0 }, costMicros: 10, estimated: true }

function start() {
  const folder = mkdtempSync(join(tmpdir(), 'ledger-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const clock = { nowMs: 1_000_000_000_000 }
  const path = join(folder, 'state', 'usage.sqlite')
  const open = () => openLedger(path, () => clock.nowMs)
  return { open, clock, path }
}

test('B5: an allowance is durable, and what is held back or spent is off it', () => {
  const { open } = start()
  const first = open()
  expect(first.spendable('a')).toBeNull()
  first.allowFirst('a', 100)
  first.allowFirst('a', 999)
  const running = first.open({ ...call, holdMicros: 60, estimate })
  expect(first.spendable('a')).toBe(40)
  running.settle(outcome)
  running.settle(outcome)
  expect(first.spendable('a')).toBe(70)
  // The agent dies in a call: what is held back is free again, and what it may have cost is counted.
  first.open({ ...call, holdMicros: 60, estimate })
  first.close()
  const second = open()
  expect(second.spendable('a')).toBe(60)
  expect(second.unstored()).toMatchObject([
    { calls: 1, estimated: false, costMicros: 30n, outputTokens: 20n },
    { calls: 1, estimated: true, costMicros: 10n, outputTokens: 0n },
  ])
  second.close()
})

test('B5: an allowance that takes an older report into account leaves off what was spent since', () => {
  const { open } = start()
  const ledger = open()
  ledger.open({ ...call, holdMicros: 0, estimate }).settle(outcome)
  const then = ledger.spentByAll().get('a') ?? 0
  ledger.open({ ...call, holdMicros: 0, estimate }).settle(outcome)
  ledger.allow('a', 100, then)
  expect(ledger.spendable('a')).toBe(70)
  ledger.close()
})

test('B4: counts of a quarter of an hour are kept until stored, and never grow after that', () => {
  const { open, clock } = start()
  const ledger = open()
  const count = () => ledger.open({ ...call, holdMicros: 0, estimate }).settle(outcome)
  count()
  const said = ledger.unstored()
  count()
  ledger.stored(said)
  // One call more than was said: it is said again, with all of them.
  expect(ledger.unstored()).toMatchObject([{ calls: 2, costMicros: 60n }])
  ledger.stored(ledger.unstored())
  expect(ledger.unstored()).toEqual([])
  clock.nowMs += 15 * 60_000
  ledger.stored([])
  count()
  // A clock that goes back does not wake a quarter that may be gone.
  clock.nowMs -= 60 * 60_000
  count()
  expect(ledger.unstored()).toMatchObject([{ calls: 2 }])
  ledger.open({ ...call, ownKey: true, holdMicros: 0, estimate }).settle(outcome)
  ledger.open({ ...call, holdMicros: 0, estimate }).settle('free')
  expect(ledger.unstored().map(({ ownKey, calls }) => [ownKey, calls])).toEqual([
    [false, 2],
    [true, 1],
  ])
  ledger.close()
})

test('B4: a clock that was far ahead and is set right begins anew, and loses no call', () => {
  const { open, clock } = start()
  const ledger = open()
  const count = () => ledger.open({ ...call, holdMicros: 0, estimate }).settle(outcome)
  clock.nowMs += 400 * 24 * 3600_000
  count()
  ledger.stored(ledger.unstored())
  clock.nowMs -= 400 * 24 * 3600_000
  count()
  const said = ledger.unstored()
  expect(said).toMatchObject([{ calls: 1, fromUnixMs: BigInt(clock.nowMs - (clock.nowMs % (15 * 60_000))) }])
  ledger.close()
})

test('B5: what cannot be written stays held back, and is written as soon as it can be', () => {
  const { open, path } = start()
  const ledger = open()
  ledger.allow('a', 100, 0)
  const running = ledger.open({ ...call, holdMicros: 60, estimate })
  const other = new DatabaseSync(path)
  // As a full disk refuses: every write, for a while.
  other.exec(`CREATE TRIGGER full BEFORE INSERT ON counts BEGIN SELECT raise(ABORT, 'disk full'); END`)
  expect(() => running.settle(outcome)).toThrow('disk full')
  running.settle(outcome)
  expect([ledger.spendable('a'), ledger.unstored()]).toEqual([40, []])
  expect(() => ledger.open({ ...call, holdMicros: 1, estimate })).toThrow('disk full')
  other.exec('DROP TRIGGER full')
  other.close()
  ledger.open({ ...call, holdMicros: 0, estimate }).settle('free')
  expect([ledger.spendable('a'), ledger.unstored()]).toMatchObject([70, [{ calls: 1, estimated: false }]])
  ledger.close()
})
