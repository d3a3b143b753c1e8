import type { Provider } from '@yourclaw/proto/host/v1'

/**
 * This host's part of the shared keys' rates, in input tokens a minute. Whoever waits is served in turn, one call an
 * assistant, so that nobody's burst holds up the others.
 */
export interface Rates {
  set(rates: { provider: Provider; tokensPerMinute: number }[]): void
  /** What was taken and not used after all; negative = more was used. */
  giveBack(provider: Provider, tokens: number): void
  /** Resolves with true when the call may go; with false when `signal` ends the wait. */
  take(provider: Provider, assistantId: string, tokens: number, signal: AbortSignal): Promise<boolean>
  close(): void
}

interface Waiting {
  assistantId: string
  tokens: number
  go: (may: boolean) => void
}

interface Bucket {
  perMinute: number
  /** What may be taken now; below zero after a call that was bigger than a minute's worth. */
  level: number
  atMs: number
  waiting: Waiting[]
  /** When each assistant was served last, as a count of calls. */
  served: Map<string, number>
  calls: number
  timer?: NodeJS.Timeout
}

export function createRates(now: () => number = () => performance.now()): Rates {
  const buckets = new Map<Provider, Bucket>()

  function refill(bucket: Bucket): void {
    const at = now()
    bucket.level = Math.min(bucket.perMinute, bucket.level + ((at - bucket.atMs) * bucket.perMinute) / 60_000)
    bucket.atMs = at
  }
  /** The first call of the assistant that was served longest ago. */
  function next(bucket: Bucket): Waiting | undefined {
    const turn = ({ assistantId }: Waiting) => bucket.served.get(assistantId) ?? 0
    return bucket.waiting.reduce<Waiting | undefined>(
      (first, call) => (first && turn(first) <= turn(call) ? first : call),
      undefined,
    )
  }
  function serve(bucket: Bucket): void {
    clearTimeout(bucket.timer)
    delete bucket.timer
    refill(bucket)
    for (let call = next(bucket); call; call = next(bucket)) {
      // More than a minute's worth never fits, so a full bucket takes anything, and the next one waits for it.
      const needed = Math.min(call.tokens, bucket.perMinute)
      if (bucket.level < needed) {
        const waitMs = ((needed - bucket.level) * 60_000) / bucket.perMinute
        bucket.timer = setTimeout(() => serve(bucket), Math.ceil(waitMs))
        return
      }
      bucket.level -= call.tokens
      bucket.served.set(call.assistantId, ++bucket.calls)
      bucket.waiting.splice(bucket.waiting.indexOf(call), 1)
      call.go(true)
    }
  }

  return {
    set(rates) {
      const named = new Map(rates.map((rate) => [rate.provider, rate.tokensPerMinute]))
      for (const [provider, bucket] of buckets) {
        if (named.has(provider)) continue
        clearTimeout(bucket.timer)
        buckets.delete(provider)
        for (const call of bucket.waiting) call.go(true)
      }
      for (const [provider, perMinute] of named) {
        const bucket = buckets.get(provider)
        if (bucket) {
          refill(bucket)
          bucket.perMinute = perMinute
          serve(bucket)
        } else if (perMinute > 0) {
          buckets.set(provider, {
            perMinute,
            level: perMinute,
            atMs: now(),
            waiting: [],
            served: new Map(),
            calls: 0,
          })
        }
      }
    },
    giveBack(provider, tokens) {
      const bucket = buckets.get(provider)
      if (!bucket) return
      refill(bucket)
      bucket.level = Math.min(bucket.perMinute, bucket.level + tokens)
      serve(bucket)
    },
    take(provider, assistantId, tokens, signal) {
      const bucket = buckets.get(provider)
      if (!bucket) return Promise.resolve(true)
      return new Promise((resolve) => {
        const call: Waiting = {
          assistantId,
          tokens,
          go(may) {
            signal.removeEventListener('abort', leave)
            resolve(may)
          },
        }
        const leave = () => {
          const place = bucket.waiting.indexOf(call)
          if (place >= 0) bucket.waiting.splice(place, 1)
          resolve(false)
          serve(bucket)
        }
        if (signal.aborted) return resolve(false)
        signal.addEventListener('abort', leave, { once: true })
        bucket.waiting.push(call)
        serve(bucket)
      })
    },
    close() {
      for (const bucket of buckets.values()) clearTimeout(bucket.timer)
    },
  }
}
