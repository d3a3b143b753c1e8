import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { moneyFixture, readAllowances, storeUsage } from '@yourclaw/control-plane/testing'
import { createReporter, openLedger } from '@yourclaw/host-agent/testing'
import { Provider, Spending, UsageReport } from '@yourclaw/proto/host/v1'
import { expect, onTestFinished, test } from 'vitest'
import { seededRandom } from '../random.ts'

const calls = 100_000
const models = ['claude-haiku-4-5', 'gpt-4o-mini', 'gemini-2.0-flash']

/**
 * Two hosts call models while everything between a provider's figures and the ledger fails: agents die, before and
 * after they have settled; reports are lost, repeated and overtaken; answers to them are lost; what was acknowledged is
 * said again by an agent that died before it noted that. The ledgers and the database are the real ones.
 */
test('B4: the sum that is debited is exactly what the providers counted, through crashes and repetition', async () => {
  const seed = Number(process.env.SEED ?? 6)
  const random = seededRandom(seed)
  const folder = mkdtempSync(join(tmpdir(), 'metering-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const fixture = await moneyFixture({ hosts: 2, people: 6 })
  onTestFinished(fixture.close)
  const { ctx } = fixture
  /** What the providers counted, and what was cut before they could say. */
  const served = new Map<string, { tokens: bigint; micros: bigint; calls: number; cut: number }>()
  for (const { assistantId } of fixture.people) {
    served.set(assistantId, { tokens: 0n, micros: 0n, calls: 0, cut: 0 })
  }

  const hosts = fixture.hostIds.map((hostId, index) => {
    const path = join(folder, `${index}.sqlite`)
    const boot = () => {
      const ledger = openLedger(path, ctx.clock.now)
      const sent: UsageReport[] = []
      const reporter = createReporter({ ledger, bounded: () => {}, rates: () => {} })
      // Encoded and decoded, as on the wire.
      const connect = () => {
        const end = reporter.connect((report) => {
          sent.push(UsageReport.decode(UsageReport.encode(report).finish()))
        })
        return end
      }
      return { ledger, reporter, sent, end: connect(), connect }
    }
    return { hostId, boot, agent: boot(), people: fixture.people.filter((one) => one.hostId === hostId) }
  })
  const old: { hostId: string; report: UsageReport }[] = []

  async function exchange(host: (typeof hosts)[number]): Promise<void> {
    const { agent, hostId } = host
    for (const report of agent.sent.splice(0)) {
      old.push({ hostId, report })
      if (random.chance(0.2)) continue
      await storeUsage({ ctx, input: { hostId, counts: report.counts } })
      if (random.chance(0.2)) continue
      const allowances = await readAllowances({ ctx, input: { hostId } })
      agent.reporter.spending(Spending.fromPartial({ report: report.report, allowances, rates: [] }))
    }
    // Somebody repeats something that was said long ago.
    const again = random.chance(0.3) && old.length > 0 ? random.pick(old) : undefined
    if (again) await storeUsage({ ctx, input: { hostId: again.hostId, counts: again.report.counts } })
    // Another session, with or without another agent.
    agent.end()
    if (random.chance(0.3)) {
      agent.ledger.close()
      host.agent = host.boot()
    } else agent.end = agent.connect()
  }

  for (let made = 0; made < calls; made += 1) {
    const host = random.pick(hosts)
    const who = random.pick(host.people)
    const { assistantId } = who
    const sum = served.get(assistantId)
    if (!sum) continue
    const output = Math.floor(random.between(1, 5_000))
    const micros = output * 3 + 7
    const usage = { input: 7, cached: 3, cacheWrite: 0, output, reasoning: 1 }
    const open = host.agent.ledger.open({
      assistantId,
      provider: Provider.PROVIDER_ANTHROPIC,
      model: random.pick(models),
      ownKey: made % 11 === 0,
      priceVersion: 'p',
      holdMicros: 30_000,
      estimate: { usage: { ...usage, output: 0 }, costMicros: 1, estimated: true },
    })
    if (random.chance(0.0005)) {
      // The agent dies before the provider's last word: the next one counts an estimate.
      sum.cut += 1
      host.agent.end()
      host.agent.ledger.close()
      host.agent = host.boot()
    } else {
      open.settle({ usage, costMicros: micros, estimated: false })
      sum.tokens += BigInt(output)
      sum.micros += made % 11 === 0 ? 0n : BigInt(micros)
      sum.calls += 1
    }
    if (made % 250 === 0) {
      fixture.clock.at += 60_000
      await exchange(host)
    }
  }
  // Then all is well for as long as it takes.
  for (const { hostId, agent } of hosts) {
    agent.end()
    agent.end = agent.connect()
    const report = agent.sent.at(-1)
    if (report) await storeUsage({ ctx, input: { hostId, counts: report.counts } })
    agent.end()
    agent.ledger.close()
  }

  const stored = await fixture.sums()
  for (const { assistantId, userId } of fixture.people) {
    const { exact, cut, debited } = stored.get(userId) ?? {}
    const sum = served.get(assistantId)
    expect({ seed, exact, debited }).toEqual({
      seed,
      exact: { calls: sum?.calls, output: sum?.tokens },
      // Each estimate of a call on the shared key costs 1.
      debited: (sum?.micros ?? 0n) + BigInt(cut?.sharedCalls ?? 0),
    })
    expect(cut?.calls ?? 0).toBe(sum?.cut)
  }
}, 240_000)
