import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from '@yourclaw/db'
import type { Job, PgBoss } from 'pg-boss'
import type { Logger } from 'pino'

export interface QueueRunner {
  /** Looks for work now instead of at the next poll. */
  wake(): void
  /** Takes nothing more and waits for what runs, at most `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>
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
}): QueueRunner {
  const { boss, queue, log } = input
  const running = new Map<string, Promise<void>>()
  const stopping = new AbortController()
  let woken = Promise.withResolvers<void>()

  async function fetchLoop(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = Promise.withResolvers()
      const free = input.concurrency - running.size
      const jobs = free > 0 ? await fetch(free) : []
      for (const job of jobs) start(job)
      if (jobs.length < Math.max(free, 1)) await idle()
    }
  }
  async function fetch(batchSize: number): Promise<Job<unknown>[]> {
    try {
      return await boss.fetch(queue, { batchSize, ...(input.db && { db: input.db }) })
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
        wake()
      })
    running.set(job.id, work)
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
    async stop(deadlineMs) {
      stopping.abort()
      wake()
      await fetching
      const deadline = new AbortController()
      const late = delay(deadlineMs, undefined, { signal: deadline.signal }).catch(() => {})
      await Promise.race([Promise.all(running.values()), late])
      deadline.abort()
      clearInterval(heartbeat)
    },
  }
}
