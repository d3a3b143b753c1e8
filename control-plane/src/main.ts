import path from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@yourclaw/db/embedded'
import { logLines } from '@yourclaw/telemetry'
import { pino } from 'pino'
import { type Env, readEnv } from './env.ts'
import { openLog } from './log.ts'
import { seedDevelopment } from './seed.ts'
import { startControlPlane } from './start.ts'

const embeddedPort = 54_329
/** What a deployment platform gives us before it kills; turns and jobs that run longer are handed over. */
const stopDeadlineMs = 25_000

const env = readEnvOrExit()
const log = openLog(env.LOG_LEVEL, pino.destination(logLines(env.LOG_LEVEL)))
const embedded = env.DATABASE_URL === undefined ? await startEmbedded() : undefined
const controlPlane = await startControlPlane(env, env.DATABASE_URL ?? embedded?.url ?? '', log)
if (process.env.DEV_SEED === '1' && process.env.SANDBOX_URL !== undefined) {
  await seedDevelopment(controlPlane.deps, process.env.SANDBOX_URL)
}
log.info({ http: controlPlane.httpPort, grpc: controlPlane.grpcPort }, 'ready')

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal))

async function stop(signal: string): Promise<void> {
  log.info({ signal }, 'stopping')
  setTimeout(() => process.exit(1), stopDeadlineMs).unref()
  await controlPlane.stop()
  await embedded?.stop()
  process.exit(0)
}

/** Never in production: readEnv demands a DATABASE_URL there. */
function startEmbedded(): Promise<EmbeddedPostgres> {
  const dataDir = path.join(import.meta.dirname, '..', '..', '.data', 'postgres')
  return startEmbeddedPostgres({ dataDir, port: embeddedPort })
}

function readEnvOrExit(): Env {
  try {
    return readEnv(process.env)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(78)
  }
}
