import { fromPrisma, type Job, type PgBoss } from 'pg-boss'
import { z } from 'zod'
import type { Ctx } from '../context.ts'
import type { Vault } from '../lib/vault.ts'
import { buildExport, type ExportLink, failExport } from '../services/export/build-export.ts'
import type { EnqueueExport } from '../services/export/request-export.ts'
import { storedExport } from '../services/export/stored-export.ts'
import { sweepExports } from '../services/export/sweep-exports.ts'
import type { Store } from '../storage/store.ts'
import { type QueueRunner, runQueue } from './run-queue.ts'

/* Exports: a job each. One that could not be made is tried again from its beginning, and given up after some times. */
const exportQueue = 'exports'
const exportJobSchema = z.object({ exportId: z.uuid() })
const retryLimit = 3
/** Files that are over go within it. */
const sweepMs = 10 * 60_000

export async function createExportQueue(boss: PgBoss): Promise<void> {
  await boss.createQueue(exportQueue, {
    retryLimit,
    retryDelay: 5,
    retryBackoff: true,
    retryDelayMax: 300,
    // Waits for a host, then packs: longer than both.
    expireInSeconds: 3_600,
    heartbeatSeconds: 15,
  })
}

export function createExportEnqueuer(boss: PgBoss): EnqueueExport {
  return async (tx, exportId) => {
    await boss.send(exportQueue, { exportId }, { db: fromPrisma(tx) })
  }
}

export interface ExportDeps {
  ctx: Ctx
  boss: PgBoss
  vault: Vault
  store: Store
  link: ExportLink
}

/** Makes what is asked for until it is stopped; what is cut then begins anew on another replica. */
export function workExports(deps: ExportDeps): Pick<QueueRunner, 'stop'> {
  const { boss, ctx, store } = deps
  const sweeper = setInterval(() => {
    sweepExports({ ctx, store }).catch((err: unknown) => ctx.log.error({ err }, 'exports could not be swept'))
  }, sweepMs)
  const stopping = new AbortController()
  const runner = runQueue({
    boss,
    queue: exportQueue,
    run: (job) => attempt(deps, job, stopping.signal),
    log: ctx.log,
    concurrency: 2,
    pollMs: 2_000,
    heartbeatMs: 4_000,
  })
  return {
    stop(deadlineMs) {
      clearInterval(sweeper)
      stopping.abort()
      return runner.stop(deadlineMs)
    },
  }
}

async function attempt(deps: ExportDeps, job: Job<unknown>, signal: AbortSignal): Promise<void> {
  const { boss, ctx } = deps
  const { exportId } = exportJobSchema.parse(job.data)
  try {
    await buildExport({ ...deps, input: { exportId, signal } })
    await boss.complete(exportQueue, job)
  } catch (error) {
    ctx.log.warn({ err: error, exportId }, 'an export was not made')
    const [found] = await boss.findJobs(exportQueue, { id: job.id })
    if ((found?.retryCount ?? 0) < retryLimit) {
      await boss.fail(exportQueue, job, { code: 'export_failed' })
      return
    }
    await failExport({ ctx, input: { exportId, error } })
    await deps.store.delete(storedExport(exportId))
    await boss.complete(exportQueue, job)
  }
}
