import type { Clock } from '../context.ts'

/** A bucket that holds `burst` and is filled with `perSecond`. */
export interface Pace {
  /** How long to wait for the next one, in milliseconds; 0 = it was taken. */
  take(): number
}

export function createPace(clock: Clock, { perSecond, burst }: { perSecond: number; burst: number }): Pace {
  /** When everything taken so far would have come one after the other. */
  let dueMs = 0
  const eachMs = 1000 / perSecond
  return {
    take() {
      const nowMs = clock.now()
      const waitMs = dueMs - (burst - 1) * eachMs - nowMs
      if (waitMs > 0) return waitMs
      dueMs = Math.max(dueMs, nowMs) + eachMs
      return 0
    },
  }
}
