import { type Logger, pino } from 'pino'
import { readEnv } from '../env.ts'
import { seedDevelopment } from '../seed.ts'
import { createJoinToken } from '../services/host/create-join-token.ts'
import { startControlPlane } from '../start.ts'
import { freePort } from './free-port.ts'

/** A running control plane, with what a test needs of it. */
export interface ControlPlane {
  apiUrl: string
  joinToken(): Promise<string>
  stop(): Promise<void>
}

/** Starts a seeded control plane on free ports, against a sandbox; `settings` win over the development defaults. */
export async function startSystem(options: {
  databaseUrl: string
  sandboxUrl: string
  settings: Record<string, string>
  log?: Logger
}): Promise<ControlPlane> {
  const [port, grpcPort] = [await freePort(), await freePort()]
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
    joinToken: async () => (await createJoinToken({ ctx, input: { createdBy: 'operator:test' } })).token,
    stop: controlPlane.stop,
  }
}
