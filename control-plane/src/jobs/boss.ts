import { PgBoss } from 'pg-boss'
import type { Logger } from 'pino'

/** The job queues, started. A worker that died is noticed by its missing heartbeat, within two of these intervals. */
export async function openBoss(databaseUrl: string, log: Logger): Promise<PgBoss> {
  const boss = new PgBoss({
    connectionString: databaseUrl,
    application_name: 'yourclaw-jobs',
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
  })
  boss.on('error', (err) => log.error({ err }, 'job queue error'))
  await boss.start()
  return boss
}
