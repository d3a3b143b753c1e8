import type { Spending, UsageCount, UsageReport } from '@yourclaw/proto/host/v1'
import { type Ledger, mostAtOnce } from './ledger.ts'

/**
 * Hands counts to the control plane and takes allowances from it, one report at a time: the next one follows when the
 * last is stored. What a lost link swallowed is said again in the next session.
 */
export interface Reporter {
  /** A session began: says at once what is not known to be stored. Returns what ends it. */
  connect(send: (report: UsageReport) => void): () => void
  /** Something was counted. */
  touched(): void
  spending(spending: Spending): void
}

/** Long enough to take several calls together, short next to a heartbeat. */
const gatherMs = 200

interface Session {
  send(report: UsageReport): void
  timer?: NodeJS.Timeout
  /** Of the newest report; they count from 1. */
  number: bigint
  /** The newest report, until it is stored. */
  waiting?: { counts: UsageCount[]; spent: Map<string, number> }
  /** What everybody had spent when the last stored report was made: all of it is stored. */
  stored: Map<string, number>
}

export function createReporter(deps: {
  ledger: Ledger
  /** What bounds an assistant's spending now. */
  bounded: (assistantId: string, bound: string) => void
  rates: (rates: Spending['rates']) => void
}): Reporter {
  const { ledger } = deps
  let session: Session | undefined

  function report(current: Session): void {
    const counts = ledger.unstored()
    // Of a part it is not known whose spending it holds: until the last, nothing more counts as taken off.
    const spent = counts.length < mostAtOnce ? ledger.spentByAll() : current.stored
    const waiting = { counts, spent }
    current.waiting = waiting
    current.number += 1n
    current.send({ report: current.number, counts: waiting.counts })
  }
  function soon(current: Session): void {
    if (current.waiting || current.timer) return
    current.timer = setTimeout(() => {
      delete current.timer
      if (session === current && !current.waiting && ledger.unstored().length > 0) report(current)
    }, gatherMs)
  }

  return {
    connect(send) {
      const opened: Session = { send, number: 0n, stored: new Map() }
      session = opened
      report(opened)
      return () => {
        clearTimeout(opened.timer)
        if (session === opened) session = undefined
      }
    },
    touched() {
      if (session) soon(session)
    },
    spending({ report: number, allowances, rates }) {
      const current = session
      if (!current) return
      if (current.waiting && number === current.number) {
        ledger.stored(current.waiting.counts)
        current.stored = current.waiting.spent
        delete current.waiting
        soon(current)
      }
      for (const { assistantId, remainingMicros, bound } of allowances) {
        ledger.allow(assistantId, Number(remainingMicros), current.stored.get(assistantId) ?? 0)
        deps.bounded(assistantId, bound)
      }
      if (rates.length > 0) deps.rates(rates)
    },
  }
}
