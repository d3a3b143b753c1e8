import type { KeyRefused, Provider, Spending, UsageReport } from '@yourclaw/proto/host/v1'
import { createRates, type Rates } from '../model-gateway/rates.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { createReporter } from './reporter.ts'

/** What became of an assistant's last model call that came to nothing. */
export interface CallFailure {
  code: string
  detail: string
  atMs: number
}

/** What the model gateway counts with, and what of it the control plane hears and says. */
export interface Metering {
  ledger: Ledger
  rates: Rates
  /** What bounds an assistant's spending: credit, month or platform. */
  bound(assistantId: string): string | undefined
  /** A call was counted. */
  counted(): void
  keyRefused(refused: { assistantId: string; provider: Provider; keySha256: string }): void
  failed(assistantId: string, failure: { code: string; detail: string }): void
  /** The last failure of the assistant since `sinceMs`. */
  lastFailure(assistantId: string, sinceMs: number): CallFailure | undefined
  /** A session began; returns what ends it. */
  connect(send: { report(report: UsageReport): void; keyRefused(refused: KeyRefused): void }): () => void
  spending(spending: Spending): void
  close(): void
}

export function createMetering(input: { path: string; now?: () => number }): Metering {
  const now = input.now ?? Date.now
  const ledger = openLedger(input.path, now)
  const rates = createRates()
  const bounds = new Map<string, string>()
  const failures = new Map<string, CallFailure>()
  /** Those that nobody could be told yet, by what they are about. */
  const refused = new Map<string, KeyRefused>()
  let sayRefused: ((refused: KeyRefused) => void) | undefined
  const reporter = createReporter({
    ledger,
    bounded: (assistantId, bound) => void bounds.set(assistantId, bound),
    rates: (next) =>
      rates.set(
        next.map(({ provider, tokensPerMinute }) => ({ provider, tokensPerMinute: Number(tokensPerMinute) })),
      ),
  })
  return {
    ledger,
    rates,
    bound: (assistantId) => bounds.get(assistantId),
    counted: reporter.touched,
    keyRefused(said) {
      if (sayRefused) return sayRefused(said)
      refused.set(`${said.assistantId} ${said.provider}`, said)
    },
    failed: (assistantId, { code, detail }) => void failures.set(assistantId, { code, detail, atMs: now() }),
    lastFailure(assistantId, sinceMs) {
      const failure = failures.get(assistantId)
      return failure && failure.atMs >= sinceMs ? failure : undefined
    },
    connect(send) {
      const end = reporter.connect(send.report)
      sayRefused = send.keyRefused
      for (const said of refused.values()) send.keyRefused(said)
      refused.clear()
      return () => {
        if (sayRefused === send.keyRefused) sayRefused = undefined
        end()
      }
    },
    spending: reporter.spending,
    close() {
      rates.close()
      ledger.close()
    },
  }
}
