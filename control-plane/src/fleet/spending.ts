import type { Allowance, Provider, Spending, TokenRate, UsageReport } from '@yourclaw/proto/host/v1'
import type { HostVerbs } from './host-verbs.ts'

/** What a session says about money: counts are stored as they come, and allowances follow what is stored. */
export interface SessionSpending {
  /** Stores a report and answers with what may be spent after it. */
  store(report: UsageReport): Promise<void>
  /** Says which allowances have changed; nothing before the first report, as nobody knows what it will say. */
  refresh(): Promise<void>
}

export function sessionSpending(deps: {
  hosts: Pick<HostVerbs, 'storeUsage' | 'allowances' | 'liveHosts'>
  hostId: string
  /** Of each shared key, for all hosts together. */
  tokenRates: { provider: Provider; perMinute: number }[]
  send: (spending: Spending) => Promise<void>
}): SessionSpending {
  const { hosts, hostId } = deps
  const said = new Map<string, string>()
  let stored = 0n
  let sharers = 0
  // One at a time: allowances are sent with the report that they take into account.
  let working: Promise<unknown> = Promise.resolve()
  function inTurn(work: () => Promise<void>): Promise<void> {
    const done = working.then(work)
    working = done.catch(() => {})
    return done
  }
  const wordOf = ({ remainingMicros, bound }: Allowance) => `${remainingMicros} ${bound}`

  /** Those of whoever spent something are said again: their host counts from a later report on. */
  async function changed(spent: ReadonlySet<string>): Promise<Allowance[]> {
    const all = await hosts.allowances({ hostId })
    return all.filter((one) => spent.has(one.assistantId) || said.get(one.assistantId) !== wordOf(one))
  }
  function say(allowances: Allowance[], rates: TokenRate[]): Promise<void> {
    for (const one of allowances) said.set(one.assistantId, wordOf(one))
    return deps.send({ report: stored, allowances, rates })
  }
  /** This host's part of each key's rate, when it has become another: all living hosts have the same. */
  async function changedRates(): Promise<TokenRate[]> {
    if (deps.tokenRates.length === 0) return []
    const hosts = Math.max(1, await deps.hosts.liveHosts())
    if (hosts === sharers) return []
    sharers = hosts
    return deps.tokenRates.map(({ provider, perMinute }) => ({
      provider,
      tokensPerMinute: BigInt(Math.max(1, Math.floor(perMinute / hosts))),
    }))
  }
  return {
    store: ({ report, counts }) =>
      inTurn(async () => {
        await hosts.storeUsage({ hostId, counts })
        stored = report
        const spent = new Set(counts.map(({ assistantId }) => assistantId))
        await say(await changed(spent), await changedRates())
      }),
    refresh: () =>
      inTurn(async () => {
        if (stored === 0n) return
        const [allowances, rates] = [await changed(new Set()), await changedRates()]
        if (allowances.length > 0 || rates.length > 0) await say(allowances, rates)
      }),
  }
}
