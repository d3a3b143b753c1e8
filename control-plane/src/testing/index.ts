import { freePort } from '@yourclaw/db/testing'
import { type Logger, pino } from 'pino'
import { readEnv } from '../env.ts'
import { seedDevelopment } from '../seed.ts'
import { createJoinToken } from '../services/host/create-join-token.ts'
import { type Around, startControlPlane } from '../start.ts'

/** What the simulation runs against a virtual database and a virtual network. */
export { staleEpoch, unauthenticated } from '../errors.ts'
export { type FleetDeps, fleetTiming } from '../fleet/deps.ts'
export type { HostVerbs } from '../fleet/host-verbs.ts'
export { runSession as runFleetSession, type Sessions } from '../fleet/session.ts'
export type { Notifications } from '../lib/notifications.ts'
export { judgeReport, nextAttempt } from '../services/assistant/judge-report.ts'
export { readAllowances } from '../services/credit/allowances.ts'
export { moneyFixture } from '../services/usage/fixtures.ts'
export { storeUsage } from '../services/usage/store-usage.ts'

/** A running control plane, with what a test needs of it. */
export interface ControlPlane {
  apiUrl: string
  /** Absent without METRICS_PORT in the settings. */
  metricsPort: number | undefined
  /** Where it listens; a successor that is given the same ports as settings is found by its hosts. */
  ports: { PORT: string; GRPC_PORT: string }
  joinToken(): Promise<string>
  stop(): Promise<void>
}

export type { Around, Step } from '../start.ts'
export { freePort }

/** What main.ts does on an outside database, with `around` each step; ends the process on SIGTERM. */
export async function runControlPlane(around: Around): Promise<void> {
  const env = readEnv(process.env)
  const databaseUrl = env.DATABASE_URL ?? ''
  const controlPlane = await startControlPlane(env, databaseUrl, pino({ name: 'control-plane' }), around)
  process.once('SIGTERM', () => void controlPlane.stop().then(() => process.exit(0)))
  await seedDevelopment(controlPlane.deps, process.env.SANDBOX_URL ?? '')
}

/** Starts a seeded control plane on free ports, against a sandbox; `settings` win over the development defaults. */
export async function startSystem(options: {
  databaseUrl: string
  sandboxUrl: string
  settings: Record<string, string>
  log?: Logger
}): Promise<ControlPlane> {
  const { PORT: port = await freePort(), GRPC_PORT: grpcPort = await freePort() } = options.settings
  const apiUrl = `http://127.0.0.1:${port}`
  const env = readEnv({
    NODE_ENV: 'test',
    PORT: String(port),
    GRPC_PORT: String(grpcPort),
    GRPC_PUBLIC_ADDRESS: `localhost:${grpcPort}`,
    API_URL: apiUrl,
    DATABASE_URL: options.databaseUrl,
    TELEGRAM_API_ROOT: `${options.sandboxUrl}/telegram`,
    TWILIO_API_BASE: `${options.sandboxUrl}/twilio`,
    GOOGLE_ISSUER: `${options.sandboxUrl}/google`,
    GOOGLE_API_BASE: `${options.sandboxUrl}/google`,
    STRIPE_API_BASE: options.sandboxUrl,
    RESEND_BASE_URL: `${options.sandboxUrl}/resend`,
    ANTHROPIC_BASE_URL: `${options.sandboxUrl}/anthropic`,
    OPENAI_BASE_URL: `${options.sandboxUrl}/openai`,
    TRANSCRIPTION_BASE_URL: `${options.sandboxUrl}/openai/v1`,
    GEMINI_BASE_URL: `${options.sandboxUrl}/gemini`,
    ...options.settings,
  })
  const controlPlane = await startControlPlane(
    env,
    options.databaseUrl,
    options.log ?? pino({ enabled: false }),
  )
  const { ctx } = controlPlane.deps
  await seedDevelopment(controlPlane.deps, options.sandboxUrl)
  return {
    apiUrl,
    ports: { PORT: String(port), GRPC_PORT: String(grpcPort) },
    metricsPort: controlPlane.metricsPort,
    joinToken: async () => (await createJoinToken({ ctx, input: { createdBy: 'operator:test' } })).token,
    stop: controlPlane.stop,
  }
}
