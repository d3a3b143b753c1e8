import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { type ControlPlane, startSystem } from '@yourclaw/control-plane/testing'
import { createTestDatabase } from '@yourclaw/db/testing'
import { type Agent, type FakeFaults, readEnv, startAgent } from '@yourclaw/host-agent/testing'
import { startSandbox } from '@yourclaw/sandbox'
import { pino } from 'pino'
import { z } from 'zod'
import { inherited } from './child.ts'
import { type Person, peopleSchema, request } from './people.ts'

const whatsappEventSchema = z.object({
  sid: z.string(),
  kind: z.enum(['message', 'template', 'typing']),
  body: z.string(),
  status: z.string(),
  choices: z
    .object({
      list: z.string().optional(),
      options: z.array(z.object({ title: z.string(), id: z.string() })),
    })
    .optional(),
})
/** What our side did on somebody's WhatsApp. */
export type WhatsappEvent = z.infer<typeof whatsappEventSchema>

/** Everything in one process over real sockets: sandbox, control plane, one host agent, a database of its own. */
export interface System {
  /** The one that runs now. */
  readonly controlPlane: ControlPlane
  databaseUrl: string
  sandboxUrl: string
  apiUrl: string
  people: Person[]
  /** Where the hosts keep everything they write. */
  hostsDir: string
  /** A host in this process; `settings` win over its own. */
  startHost(
    runtime?: 'fake' | 'process',
    options?: { settings?: Record<string, string>; faults?: FakeFaults },
  ): Promise<Agent>
  /** A host whose agent is a process of its own, so that it can be killed. */
  spawnHost(runtime: 'fake' | 'process'): Promise<HostProcess>
  /** Sends a Telegram message as the person would. */
  say(person: Person, text: string): Promise<void>
  /** The texts the bot sent to the person so far. */
  heard(person: Person): Promise<string[]>
  /** Sends a WhatsApp message as whoever has that address. */
  write(address: string, message: object): Promise<{ messageSid: string }>
  /** What was sent to an address on WhatsApp so far, typing included. */
  whatsapp(address: string): Promise<WhatsappEvent[]>
  /** Calls the API as the person. */
  api(person: Person, method: string, path: string, body?: unknown): Promise<Response>
  /** Stops the control plane and starts its successor, on the same ports with other settings. */
  restart(settings: Record<string, string>): Promise<void>
  sandbox(path: string, body?: unknown): Promise<unknown>
  stop(): Promise<void>
}

export interface HostProcess {
  dataDir: string
  /** SIGKILL to the agent alone; resolves when it is gone. */
  kill(): Promise<void>
  /** Starts it again, with the state it left. */
  start(): void
}

/** `logs` collects the log lines of the control plane and the agents, parsed. */
export async function startTestSystem(
  settings: Record<string, string> = {},
  logs: Record<string, unknown>[] = [],
): Promise<System> {
  const log = pino({ level: 'debug' }, { write: (line) => void logs.push(JSON.parse(line)) })
  const folder = mkdtempSync(path.join(tmpdir(), 'yourclaw-e2e-'))
  const database = await createTestDatabase()
  const sandbox = await startSandbox({ port: 0 })
  const store = pathToFileURL(path.join(folder, 'store')).href
  const start = (more: Record<string, string>) => {
    const settings = { BACKUP_STORE: store, ...more }
    return startSystem({ databaseUrl: database.url, sandboxUrl: sandbox.url, settings, log })
  }
  let controlPlane = await start(settings)
  const { apiUrl } = controlPlane
  const stops: (() => Promise<unknown>)[] = []

  const people = peopleSchema.parse(await request(`${sandbox.url}/sim/people`))

  async function hostSettings(runtime: 'fake' | 'process') {
    const name = `host-${stops.length + 1}`
    return {
      CONTROL_PLANE_URL: apiUrl,
      JOIN_TOKEN: await controlPlane.joinToken(),
      HOST_NAME: name,
      RUNTIME: runtime,
      LOG_LEVEL: 'silent',
      STATE_DIR: path.join(folder, name, 'state'),
      ASSISTANT_DATA_DIR: path.join(folder, name, 'data'),
      ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic`,
      OPENAI_BASE_URL: `${sandbox.url}/openai`,
      GEMINI_BASE_URL: `${sandbox.url}/gemini`,
      BRAVE_BASE_URL: `${sandbox.url}/brave`,
    }
  }

  return {
    get controlPlane() {
      return controlPlane
    },
    databaseUrl: database.url,
    sandboxUrl: sandbox.url,
    apiUrl,
    people,
    hostsDir: folder,
    async startHost(runtime = 'fake', { settings = {}, faults = {} } = {}) {
      const env = readEnv({ ...(await hostSettings(runtime)), ...settings })
      const agent = await startAgent(env, { log, faults })
      stops.push(() => agent.stop(2_000))
      return agent
    },
    async spawnHost(runtime) {
      const env = { ...inherited, ...(await hostSettings(runtime)) }
      const main = path.join(import.meta.dirname, '../../host-agent/src/main.ts')
      let child: ChildProcess | undefined
      const end = async (signal: NodeJS.Signals) => {
        const ended = child && once(child, 'exit')
        child?.kill(signal)
        await ended
        child = undefined
      }
      const start = () => {
        child = spawn(process.execPath, [main], { env, stdio: 'ignore' })
      }
      start()
      stops.push(() => end('SIGTERM'))
      return { dataDir: env.ASSISTANT_DATA_DIR, start, kill: () => end('SIGKILL') }
    },
    async say(person, text) {
      await request(`${sandbox.url}/sim/telegram/${person.telegramUserId}/messages`, { text })
    },
    async heard(person) {
      const sent = await request(`${sandbox.url}/sim/telegram/${person.telegramUserId}/messages`)
      return z
        .array(z.object({ kind: z.string(), text: z.string() }))
        .parse(sent)
        .flatMap(({ kind, text }) => (kind === 'message' ? [text] : []))
    },
    async write(address, message) {
      const sent = await request(
        `${sandbox.url}/sim/whatsapp/${encodeURIComponent(address)}/messages`,
        message,
      )
      return z.object({ messageSid: z.string() }).parse(sent)
    },
    async whatsapp(address) {
      const sent = await request(`${sandbox.url}/sim/whatsapp/${encodeURIComponent(address)}/messages`)
      return z.array(whatsappEventSchema).parse(sent)
    },
    api: (person, method, path, body) =>
      fetch(`${apiUrl}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${person.bearer}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    async restart(settings) {
      const { ports } = controlPlane
      await controlPlane.stop()
      controlPlane = await start({ ...settings, ...ports })
    },
    sandbox: (path, body) => request(`${sandbox.url}${path}`, body),
    async stop() {
      for (const stop of stops) await stop()
      await controlPlane.stop()
      await sandbox.stop()
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
