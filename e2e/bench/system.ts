import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '@yourclaw/control-plane/testing'
import { startEmbeddedPostgres } from '@yourclaw/db/embedded'
import { until } from '../src/until.ts'
import { type Phone, startPhone, webhookSecret } from './phone.ts'
import { type Program, startProgram } from './program.ts'
import { countStatements } from './statements.ts'

/** The sandbox's first person has Telegram id 1001. */
const firstPerson = 1_001

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const programPath = (name: string) => fileURLToPath(new URL(`./programs/${name}.ts`, import.meta.url))

/** The whole of YourClaw as in production, each part a process; PostgreSQL with fsync on. */
export interface System {
  databaseUrl: string
  controlPlane: Program
  agent: Program
  agentLog: string
  phone: Phone
  webhookUrl: string
  /** Telegram ids of the people, each with a ready assistant. */
  people: number[]
  folder: string
  stop(): Promise<void>
}

/** `gatewayUrl` = where all assistants answer; without it the agent runs OpenClaw. */
export async function startSystem(options: {
  /** Besides the two that the sandbox always has, who are given to a system without any other. */
  people: number
  /** Most assistants that the host takes. */
  maxAssistants?: number
  gatewayUrl?: string
  profileDir?: string | undefined
}): Promise<System> {
  const folder = mkdtempSync(path.join(tmpdir(), 'yourclaw-bench-'))
  chmodSync(folder, 0o755)
  const cleanups: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    for (const name of ['control-plane.log', 'agent.log']) tellErrors(path.join(folder, name))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    return await start()
  } catch (error) {
    await stop()
    throw error
  }

  async function start(): Promise<System> {
    const cluster = { dataDir: path.join(folder, 'postgres'), port: await freePort() }
    const first = await startEmbeddedPostgres(cluster)
    await countStatements(first.url)
    await first.stop()
    const postgres = await startEmbeddedPostgres(cluster)
    cleanups.push(postgres.stop)
    const phone = await startPhone()
    cleanups.push(phone.stop)
    const people = options.people > 0 ? await phone.register(options.people) : [firstPerson]
    const [port, grpcPort] = [await freePort(), await freePort()]
    const apiUrl = `http://127.0.0.1:${port}`
    const profile = { profileDir: options.profileDir }
    const settings = {
      NODE_ENV: 'test',
      DATABASE_URL: postgres.url,
      API_URL: apiUrl,
      PORT: String(port),
      GRPC_PORT: String(grpcPort),
      GRPC_PUBLIC_ADDRESS: `localhost:${grpcPort}`,
      TELEGRAM_API_ROOT: phone.apiRoot,
      TELEGRAM_WEBHOOK_SECRET: webhookSecret,
      SANDBOX_URL: phone.url,
      DEV_SEED: '1',
      CHANNELS_ENABLED: 'telegram',
      RATE_LIMIT_PER_DAY: '1000000',
      RATE_LIMIT_PER_MINUTE: '1000000',
    }
    const controlPlane = startProgram({
      script: path.join(root, 'control-plane/src/main.ts'),
      env: settings,
      logPath: path.join(folder, 'control-plane.log'),
      ...profile,
    })
    cleanups.push(controlPlane.stop)
    await until(async () => (await fetch(`${apiUrl}/health`)).ok)
    const joinToken = execFileSync(process.execPath, ['control-plane/src/cli/join-token.ts'], {
      cwd: root,
      env: { PATH: process.env.PATH, ...settings },
      encoding: 'utf8',
    }).trim()
    const agentLog = path.join(folder, 'agent.log')
    const agent = startProgram({
      script: programPath('agent'),
      env: {
        CONTROL_PLANE_URL: apiUrl,
        JOIN_TOKEN: joinToken,
        HOST_NAME: 'bench',
        RUNTIME: options.gatewayUrl === undefined ? 'process' : 'fake',
        ...(options.gatewayUrl !== undefined && { GATEWAY_URL: options.gatewayUrl }),
        MAX_ASSISTANTS: String(options.maxAssistants ?? 1_000),
        STATE_DIR: path.join(folder, 'agent'),
        ASSISTANT_DATA_DIR: path.join(folder, 'assistants'),
        ANTHROPIC_BASE_URL: `${phone.url}/anthropic`,
        OPENAI_BASE_URL: `${phone.url}/openai`,
        GEMINI_BASE_URL: `${phone.url}/gemini`,
      },
      logPath: agentLog,
      ...profile,
    })
    cleanups.push(agent.stop)
    await phone.heard(people, /is ready/)
    return {
      databaseUrl: postgres.url,
      controlPlane,
      agent,
      agentLog,
      phone,
      webhookUrl: `${apiUrl}/api/v1/webhooks/telegram`,
      people,
      folder,
      stop,
    }
  }
}

/** A program that logs an error did not do what is measured here. */
function tellErrors(logPath: string): void {
  if (!existsSync(logPath)) return
  const errors = readFileSync(logPath, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"level":50'))
  if (errors.length > 0) console.error(`${errors.length} errors in ${path.basename(logPath)}: ${errors[0]}`)
}
