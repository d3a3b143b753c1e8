import type { Allowance, Spending, UsageReport } from '@yourclaw/proto/host/v1'
import type { HostVerbs } from './host-verbs.ts'

/** What a session says about money: counts are stored as they come, and allowances follow what is stored. */
export interface SessionSpending {
  /** Stores a report and answers with what may be spent after it. */
  store(report: UsageReport): Promise<void>
  /** Says which allowances have changed; nothing before the first report, as nobody knows what it will say. */
  refresh(): Promise<void>
}

export function sessionSpending(deps: {
  hosts: Pick<HostVerbs, 'storeUsage' | 'allowances'>
  hostId: string
  send: (spending: Spending) => Promise<void>
}): SessionSpending {
  const { hosts, hostId } = deps
  const said = new Map<string, string>()
  let stored = 0n
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
  function say(allowances: Allowance[]): Promise<void> {
    for (const one of allowances) said.set(one.assistantId, wordOf(one))
    return deps.send({ report: stored, allowances, rates: [] })
  }
  return {
    store: ({ report, counts }) =>
      inTurn(async () => {
        await hosts.storeUsage({ hostId, counts })
        stored = report
        await say(await changed(new Set(counts.map(({ assistantId }) => assistantId))))
      }),
    refresh: () =>
      inTurn(async () => {
        if (stored === 0n) return
        const allowances = await changed(new Set())
        if (allowances.length > 0) await say(allowances)
      }),
  }
}
