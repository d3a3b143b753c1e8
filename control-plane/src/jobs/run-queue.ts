import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from '@yourclaw/db'
import type { Job, PgBoss } from 'pg-boss'
import type { Logger } from 'pino'

/** A job that ends may let the next of its line go; what ends within this time is looked after once. */
const lingerMs = 25

export interface QueueRunner {
  /** Looks for work now instead of at the next poll. */
  wake(): void
  /** Takes nothing more and waits for what runs, at most `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>
}

/** Of a queue whose jobs may start right behind the transaction that enqueued them. */
export interface TakingRunner extends QueueRunner {
  /** Takes jobs that are due within the caller's transaction, at most `most`; `start` is for after the commit. */
  take(
    tx: Pick<Pool, 'executeSql'>,
    most: number,
  ): Promise<{ jobs: readonly Job<unknown>[]; start: () => void }>
}

/**
 * Runs a queue's jobs, each on its own: one that is slow keeps a place, never its neighbours (F8). pg-boss' own
 * workers settle a batch when its slowest job is done, and wait a poll between jobs that come one by one.
 * `run` settles its job; a job it could not settle comes back when its heartbeat has lapsed.
 */
export function runQueue(input: {
  boss: PgBoss
  /** Where jobs are fetched, for a queue that is asked so often that it should be prepared; else pg-boss' own. */
  db?: Pick<Pool, 'executeSql'>
  queue: string
  run: (job: Job<unknown>) => Promise<void>
  log: Logger
  /** Jobs at once. */
  concurrency: number
  /** What no wake told of, a wait that is over for one, is found this soon. */
  pollMs: number
  /** Well under the queue's heartbeatSeconds. */
  heartbeatMs: number
}): TakingRunner {
  const { boss, queue, log } = input
  const running = new Map<string, Promise<void>>()
  const stopping = new AbortController()
  let woken = Promise.withResolvers<void>()
  let linger: NodeJS.Timeout | undefined

  async function fetchLoop(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = Promise.withResolvers()
      const free = input.concurrency - running.size
      const jobs = free > 0 ? await fetchOrLog(free) : []
      for (const job of jobs) start(job)
      if (jobs.length < Math.max(free, 1)) await idle()
    }
  }
  const fetch = (batchSize: number, db: Pick<Pool, 'executeSql'> | undefined) =>
    boss.fetch<unknown>(queue, { batchSize, ...(db && { db }) })
  async function fetchOrLog(batchSize: number): Promise<Job<unknown>[]> {
    try {
      return await fetch(batchSize, input.db)
    } catch (err) {
      log.error({ err, queue }, 'jobs could not be fetched')
      return []
    }
  }
  function start(job: Job<unknown>): void {
    const work = input
      .run(job)
      .catch((err: unknown) => log.error({ err, queue, jobId: job.id }, 'a job could not be settled'))
      .finally(() => {
        running.delete(job.id)
        linger ??= setTimeout(onLinger, lingerMs)
      })
    running.set(job.id, work)
  }
  function onLinger(): void {
    linger = undefined
    wake()
  }
  async function idle(): Promise<void> {
    const poll = new AbortController()
    const pause = delay(input.pollMs, undefined, { signal: poll.signal }).catch(() => {})
    await Promise.race([woken.promise, pause])
    poll.abort()
  }
  function wake(): void {
    woken.resolve()
  }

  const heartbeat = setInterval(() => {
    if (running.size === 0) return
    boss
      .touch(queue, [...running.keys()])
      .catch((err: unknown) => log.warn({ err, queue }, 'job heartbeat failed'))
  }, input.heartbeatMs)
  const fetching = fetchLoop()
  return {
    wake,
    async take(tx, most) {
      const free = Math.min(input.concurrency - running.size, most)
      if (free <= 0 || stopping.signal.aborted) return { jobs: [], start: wake }
      const jobs = await fetch(free, tx)
      return {
        jobs,
        // Those of a process that stops come back when their heartbeat has lapsed, as after any other end.
        start() {
          if (!stopping.signal.aborted) for (const job of jobs) start(job)
          if (jobs.length < most) wake()
        },
      }
    },
    async stop(deadlineMs) {
      stopping.abort()
      wake()
      await fetching
      const deadline = new AbortController()
      const late = delay(deadlineMs, undefined, { signal: deadline.signal }).catch(() => {})
      await Promise.race([Promise.all(running.values()), late])
      deadline.abort()
      clearTimeout(linger)
      clearInterval(heartbeat)
    },
  }
}
