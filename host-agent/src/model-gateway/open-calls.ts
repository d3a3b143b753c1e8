import { Refusal } from './refusal.ts'

/** What assistants have open, so that none of them takes the gateway's time and memory from the others (F8). */
export interface OpenCalls {
  /** Throws a Refusal when the assistant has enough open, or calls too often. */
  enter(assistantId: string): OpenEntry
}

export interface OpenEntry {
  /** So much more of the request has come. Throws a Refusal when that is too much at once. */
  grow(bytes: number): void
  leave(): void
}

const mebibyte = 1024 * 1024
/** A turn has one call open, and a few more run beside it. */
const maxCalls = 8
/** Of one assistant: a few of the largest requests, and then as fast as a busy one with pictures sends them. */
const burst = { calls: 300, bytes: 128 * mebibyte }
const perSecond = { calls: 5, bytes: 4 * mebibyte }
/** Requests that are kept at once, of one assistant and of all. */
const maxKept = { own: 64 * mebibyte, all: 512 * mebibyte }

interface Account {
  open: number
  kept: number
  /** What it may still take now, as of `atMs`. */
  calls: number
  bytes: number
  atMs: number
}

export function createOpenCalls(now: () => number = () => performance.now()): OpenCalls {
  const accounts = new Map<string, Account>()
  let kept = 0

  function accountOf(assistantId: string): Account {
    const known = accounts.get(assistantId)
    if (!known) {
      const fresh = { open: 0, kept: 0, ...burst, atMs: now() }
      accounts.set(assistantId, fresh)
      return fresh
    }
    const seconds = Math.max(0, now() - known.atMs) / 1_000
    known.atMs = now()
    known.calls = Math.min(burst.calls, known.calls + seconds * perSecond.calls)
    known.bytes = Math.min(burst.bytes, known.bytes + seconds * perSecond.bytes)
    return known
  }
  const tooMany = (detail: string, retryAfterS: number) =>
    new Refusal(429, 'too_many_calls', detail, retryAfterS)

  return {
    enter(assistantId) {
      const account = accountOf(assistantId)
      if (account.open >= maxCalls) throw tooMany(`At most ${maxCalls} calls at once.`, 1)
      if (account.calls < 1) throw tooMany('Too many calls in a short time.', 5)
      account.calls -= 1
      account.open += 1
      let own = 0
      let hasLeft = false
      return {
        grow(bytes) {
          const { bytes: left } = accountOf(assistantId)
          if (account.kept + bytes > maxKept.own || kept + bytes > maxKept.all || left < bytes)
            throw tooMany('Too much is sent at once.', 5)
          account.bytes -= bytes
          account.kept += bytes
          kept += bytes
          own += bytes
        },
        leave() {
          if (hasLeft) return
          hasLeft = true
          account.open -= 1
          account.kept -= own
          kept -= own
        },
      }
    },
  }
}
