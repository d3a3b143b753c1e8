import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Provider, UsageCount } from '@yourclaw/proto/host/v1'
import type { TokenUsage } from './usage.ts'

/** One call, as far as its costs go. */
export interface CallFacts {
  assistantId: string
  provider: Provider
  model: string
  ownKey: boolean
  /** Empty when no price is known. */
  priceVersion: string
}

export interface Outcome {
  usage: TokenUsage
  costMicros: number
  /** The provider's figures never came. */
  estimated: boolean
}

/**
 * What this host counted and what it may spend, on its disk. A call is opened with its worst case held back, and
 * settled once with what it cost; what an agent's death left open is settled by the next one, by estimate. Counts only
 * grow, and are kept until the control plane has stored them. They outlive the process; a power cut may undo what was
 * not yet reported.
 */
export interface Ledger {
  /** What `assistantId` may still begin to spend: its allowance without what is spent and held back; null = no bound. */
  spendable(assistantId: string): number | null
  /** Whether something is held back for calls that run. */
  isHolding(assistantId: string): boolean
  /** `estimate` is what it counts as if its outcome is never known. Throws nothing: whether it may is asked before. */
  open(call: CallFacts & { holdMicros: number; estimate: Outcome }): OpenCall
  /** The first word about an assistant; one that has an allowance keeps it. */
  allowFirst(assistantId: string, remainingMicros: number): void
  /** Sets an allowance, of which `spentMicros` of this host's own count are already taken off. */
  allow(assistantId: string, remainingMicros: number, spentMicros: number): void
  /** What each assistant ever spent on shared keys here. */
  spentByAll(): Map<string, number>
  /** Counts that are not known to be stored; at most `mostAtOnce`, the others once these are. */
  unstored(): UsageCount[]
  /** Those counts are stored. */
  stored(counts: readonly UsageCount[]): void
  close(): void
}

export interface OpenCall {
  /** Only the first call counts. Throws when it cannot be written; it is held back, and tried again, until it is. */
  settle(outcome: Outcome | 'free'): void
}

/** A report of so many is about 1 MB, and a message has at most 4. */
export const mostAtOnce = 5_000
const quarterMs = 15 * 60_000
const farMs = 24 * 3600_000

const columns = 'series, assistant_id, provider, model, own_key, price_version, estimated, from_ms'

export function openLedger(path: string, now: () => number = Date.now): Ledger {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000')
  db.exec(`
    CREATE TABLE IF NOT EXISTS accounts (
      assistant_id TEXT PRIMARY KEY, spent INTEGER NOT NULL DEFAULT 0, spend_limit INTEGER
    ) STRICT;
    CREATE TABLE IF NOT EXISTS counts (
      series TEXT NOT NULL, assistant_id TEXT NOT NULL, provider INTEGER NOT NULL, model TEXT NOT NULL,
      own_key INTEGER NOT NULL, price_version TEXT NOT NULL, estimated INTEGER NOT NULL, from_ms INTEGER NOT NULL,
      calls INTEGER NOT NULL, input INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL,
      output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, stored_calls INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (${columns})
    ) STRICT;
    CREATE TABLE IF NOT EXISTS open_calls (id INTEGER PRIMARY KEY, facts TEXT NOT NULL) STRICT`)

  // A life of its own: figures that a power cut undid must not grow again under a name that was reported.
  let series: string = randomUUID()
  const held = new Map<string, number>()
  /** What could not be written yet. */
  const late = new Set<() => void>()
  let lastQuarter = 0

  const insertOpen = db.prepare('INSERT INTO open_calls (facts) VALUES (?)')
  const deleteOpen = db.prepare('DELETE FROM open_calls WHERE id = ?')
  const add =
    db.prepare(`INSERT INTO counts (${columns}, calls, input, cached, cache_write, output, reasoning, cost)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (${columns}) DO UPDATE SET calls = calls + 1, input = input + excluded.input,
      cached = cached + excluded.cached, cache_write = cache_write + excluded.cache_write,
      output = output + excluded.output, reasoning = reasoning + excluded.reasoning, cost = cost + excluded.cost`)
  const spend = db.prepare(`INSERT INTO accounts (assistant_id, spent) VALUES (?, ?)
    ON CONFLICT (assistant_id) DO UPDATE SET spent = spent + excluded.spent`)
  const account = db.prepare('SELECT spent, spend_limit FROM accounts WHERE assistant_id = ?')
  const accounts = db.prepare('SELECT assistant_id, spent FROM accounts')
  const limit = db.prepare(`INSERT INTO accounts (assistant_id, spend_limit) VALUES (?, ?)
    ON CONFLICT (assistant_id) DO UPDATE SET spend_limit = excluded.spend_limit`)
  const unstored = db.prepare(`SELECT * FROM counts WHERE calls > stored_calls LIMIT ${mostAtOnce}`)
  const markStored = db.prepare(`UPDATE counts SET stored_calls = max(stored_calls, ?)
    WHERE ${columns.replaceAll(',', ' = ? AND')} = ?`)
  // Never one that can still grow.
  const sweep = db.prepare('DELETE FROM counts WHERE stored_calls >= calls AND (series <> ? OR from_ms < ?)')

  function inTransaction(work: () => void): void {
    db.exec('BEGIN IMMEDIATE')
    try {
      work()
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }
  /**
   * Never goes back, whatever the clock does: an older quarter may be stored and gone. A clock that was far ahead and was
   * set right begins a series of its own, which nothing is known of.
   */
  function quarter(): number {
    const current = Math.floor(now() / quarterMs) * quarterMs
    if (current < lastQuarter - farMs) {
      series = randomUUID()
      lastQuarter = current
    }
    lastQuarter = Math.max(lastQuarter, current)
    return lastQuarter
  }
  function writeLate(): void {
    for (const write of late) {
      write()
      late.delete(write)
    }
  }
  function count(call: CallFacts, { usage, costMicros, estimated }: Outcome): void {
    const { assistantId, provider, model, ownKey, priceVersion } = call
    const { input, cached, cacheWrite, output, reasoning } = usage
    const from = quarter()
    const flags = [ownKey ? 1 : 0, priceVersion, estimated ? 1 : 0, from]
    const key = [series, assistantId, provider, model, ...flags]
    add.run(...key, input, cached, cacheWrite, output, reasoning, costMicros)
    if (!ownKey) spend.run(assistantId, costMicros)
  }
  function settleLeftOpen(): void {
    const left = db.prepare('SELECT id, facts FROM open_calls').all()
    if (left.length === 0) return
    inTransaction(() => {
      for (const { id, facts } of left) {
        const { estimate, ...call } = JSON.parse(String(facts)) as CallFacts & { estimate: Outcome }
        count(call, estimate)
        deleteOpen.run(Number(id))
      }
    })
  }
  settleLeftOpen()

  return {
    spendable(assistantId) {
      const row = account.get(assistantId)
      if (row?.spend_limit === null || row?.spend_limit === undefined) return null
      return Number(row.spend_limit) - Number(row.spent) - (held.get(assistantId) ?? 0)
    },
    isHolding: (assistantId) => (held.get(assistantId) ?? 0) > 0,
    open({ holdMicros, estimate, ...call }) {
      writeLate()
      const { assistantId } = call
      const id = Number(insertOpen.run(JSON.stringify({ ...call, estimate })).lastInsertRowid)
      held.set(assistantId, (held.get(assistantId) ?? 0) + holdMicros)
      let settled = false
      return {
        settle(outcome) {
          // After the end it is left open, for the next life to settle.
          if (settled || !db.isOpen) return
          settled = true
          const write = () => {
            inTransaction(() => {
              deleteOpen.run(id)
              if (outcome !== 'free') count(call, outcome)
            })
            const rest = (held.get(assistantId) ?? 0) - holdMicros
            if (rest > 0) held.set(assistantId, rest)
            else held.delete(assistantId)
          }
          late.add(write)
          writeLate()
        },
      }
    },
    allowFirst(assistantId, remainingMicros) {
      if (account.get(assistantId)?.spend_limit != null) return
      limit.run(assistantId, Number(account.get(assistantId)?.spent ?? 0) + remainingMicros)
    },
    allow: (assistantId, remainingMicros, spentMicros) =>
      void limit.run(assistantId, spentMicros + remainingMicros),
    spentByAll: () => new Map(accounts.all().map((row) => [String(row.assistant_id), Number(row.spent)])),
    unstored: () =>
      unstored.all().map((row) => ({
        series: String(row.series),
        assistantId: String(row.assistant_id),
        provider: Number(row.provider) as Provider,
        model: String(row.model),
        ownKey: row.own_key === 1,
        priceVersion: String(row.price_version),
        estimated: row.estimated === 1,
        fromUnixMs: BigInt(Number(row.from_ms)),
        calls: Number(row.calls),
        inputTokens: BigInt(Number(row.input)),
        cachedTokens: BigInt(Number(row.cached)),
        cacheWriteTokens: BigInt(Number(row.cache_write)),
        outputTokens: BigInt(Number(row.output)),
        reasoningTokens: BigInt(Number(row.reasoning)),
        costMicros: BigInt(Number(row.cost)),
      })),
    stored(counts) {
      if (counts.length === 0) return
      inTransaction(() => {
        for (const one of counts) {
          const { series, assistantId, provider, model, priceVersion, fromUnixMs } = one
          const flags = [one.ownKey ? 1 : 0, priceVersion, one.estimated ? 1 : 0, Number(fromUnixMs)]
          markStored.run(one.calls, series, assistantId, provider, model, ...flags)
        }
        sweep.run(series, quarter())
      })
    },
    close() {
      if (db.isOpen) db.close()
    },
  }
}
