import { fromPrisma, type PgBoss } from 'pg-boss'
import type { EnqueueExport } from '../services/export/request-export.ts'

export const exportQueue = 'exports'

/** An export that could not be made so often is given up, and its person can ask for it again. */
export const exportRetries = 3

export async function createExportQueue(boss: PgBoss): Promise<void> {
  await boss.createQueue(exportQueue, {
    retryLimit: exportRetries,
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
