import { setTimeout as sleep } from 'node:timers/promises'

/** Full jitter: a fleet whose control plane restarts must not come back in step. */
export function createBackoff(options: { baseMs: number; maxMs: number; random?: () => number }) {
  const random = options.random ?? Math.random
  let failures = 0
  return {
    /** The next delay in milliseconds, anywhere between 0 and the growing ceiling. */
    nextMs(): number {
      const ceilingMs = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(failures, 30))
      failures += 1
      return random() * ceilingMs
    },
    reset(): void {
      failures = 0
    },
  }
}

/** Resolves after `ms`, or at once when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}

/** Does it again and again, `everyMs` after it was done; `stop` resolves when it is not being done any more. */
export function repeat(everyMs: number, work: () => Promise<void>) {
  const stopping = new AbortController()
  const loop = (async () => {
    for (;;) {
      await pause(everyMs, stopping.signal)
      if (stopping.signal.aborted) return
      await work()
    }
  })()
  return {
    async stop(): Promise<void> {
      stopping.abort()
      await loop
    },
  }
}
