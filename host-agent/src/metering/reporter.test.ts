import { Provider, Spending, type UsageReport } from '@yourclaw/proto/host/v1'
import { expect, onTestFinished, test, vi } from 'vitest'
import { mostAtOnce, openLedger } from './ledger.ts'
import { createReporter } from './reporter.ts'

test('B4, B5: what a long silence piled up is told in parts, and nothing is allowed twice meanwhile', async () => {
  const ledger = openLedger(':memory:')
  onTestFinished(ledger.close)
  const usage = { input: 1, cached: 0, cacheWrite: 0, output: 1, reasoning: 0 }
  const outcome = { usage, costMicros: 10, estimated: false }
  const rows = mostAtOnce + 10
  for (let index = 0; index < rows; index += 1) {
    const call = { assistantId: 'a', provider: Provider.PROVIDER_OPENAI, ownKey: false, priceVersion: 'p' }
    const open = { ...call, model: `m${index}`, holdMicros: 0, estimate: outcome }
    ledger.open(open).settle(outcome)
  }
  const reporter = createReporter({ ledger, bounded: () => {}, rates: () => {} })
  const sent: UsageReport[] = []
  onTestFinished(reporter.connect((report) => void sent.push(report)))
  // What the control plane has stored by then is off what it allows.
  let stored = 0
  const answer = (report: bigint) => {
    stored += sent.at(-1)?.counts.length ?? 0
    const allowances = [{ assistantId: 'a', remainingMicros: BigInt(100_000 - stored * 10), bound: 'credit' }]
    reporter.spending(Spending.fromPartial({ report, allowances, rates: [] }))
  }
  expect(sent.map(({ counts }) => counts.length)).toEqual([mostAtOnce])
  answer(1n)
  expect(ledger.spendable('a')).toBeLessThanOrEqual(100_000 - rows * 10)
  await vi.waitFor(() => expect(sent).toHaveLength(2))
  expect(sent[1]?.counts).toHaveLength(10)
  answer(2n)
  expect([ledger.spendable('a'), ledger.unstored()]).toEqual([100_000 - rows * 10, []])
})
