import type { Ctx } from '../context.ts'
import { sweepFiles, sweepLostFiles } from '../services/attachment/sweep-files.ts'
import type { Store } from '../storage/store.ts'

/** Files that are over go within it. */
const sweepMs = 10 * 60_000
/** Lists everything that is stored. */
const lostSweepMs = 60 * 60_000

/** Removes files of messages when their time is over, until it is stopped. */
export function workFiles({ ctx, store }: { ctx: Ctx; store: Store }): { stop(): void } {
  const every = (intervalMs: number, sweep: typeof sweepFiles) =>
    setInterval(() => {
      sweep({ ctx, store }).catch((err: unknown) => ctx.log.error({ err }, 'files could not be swept'))
    }, intervalMs)
  const timers = [every(sweepMs, sweepFiles), every(lostSweepMs, sweepLostFiles)]
  return {
    stop() {
      for (const timer of timers) clearInterval(timer)
    },
  }
}
