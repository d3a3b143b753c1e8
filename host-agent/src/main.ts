import { logLines, withoutSecrets } from '@yourclaw/telemetry'
import { pino } from 'pino'
import { startAgent } from './agent.ts'
import { type AgentEnv, readEnv } from './env.ts'
import { AgentError } from './errors.ts'
import { createServiceManager } from './service-manager.ts'
import { agentVersion } from './version.ts'

// The agent of one host. Boot: settings → identity → journal → model gateway → runtime → link (see agent.ts).
// SIGTERM and SIGINT drain: no new turns, running ones finish and hand over, then everything closes.

function settings(): AgentEnv {
  try {
    return readEnv(process.env)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(78)
  }
}

/** What an operator can mend is one line with its code; starting again would not help. */
function refuse(error: unknown): never {
  if (!(error instanceof AgentError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exit(78)
}

const env = settings()
const log = pino(
  { level: env.LOG_LEVEL, hooks: { streamWrite: withoutSecrets } },
  pino.destination(logLines(env.LOG_LEVEL)),
)
const signal = new Promise<NodeJS.Signals>((resolve) => {
  // Terminals and launchers often say it twice; the second time changes nothing.
  process.on('SIGTERM', resolve)
  process.on('SIGINT', resolve)
})

const serviceManager = createServiceManager(env)
const booted = startAgent(env, {
  log,
  // Read by whoever upgrades or renews: a new session says that both sides took the change.
  onSession: (session) =>
    serviceManager.status(
      session
        ? `connected; version ${agentVersion}; certificate ${session.certificateSerial}`
        : `not connected; version ${agentVersion}`,
    ),
})
const first = await Promise.race([booted, signal]).catch(refuse)
if (typeof first === 'string') process.exit(0)
log.info({ host: env.HOST_NAME, version: agentVersion, runtime: env.RUNTIME }, 'agent started')
serviceManager.ready()
log.info({ signal: await signal }, 'draining')
serviceManager.stopping()
await first.stop()
