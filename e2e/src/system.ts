import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type ControlPlane, startSystem } from '@yourclaw/control-plane/testing'
import { createTestDatabase } from '@yourclaw/db/testing'
import { readEnv, startAgent } from '@yourclaw/host-agent/testing'
import { startSandbox } from '@yourclaw/sandbox'
import { pino } from 'pino'
import { z } from 'zod'

/** A phone user of the sandbox who has an account, a bound chat and an assistant. */
export interface Person {
  userId: string
  telegramUserId: number
  whatsappAddress: string
  bearer: string
}

/** What our side did on somebody's WhatsApp. */
export interface WhatsappEvent {
  sid: string
  kind: 'message' | 'template' | 'typing'
  body: string
  status: string
}

/** Everything in one process over real sockets: sandbox, control plane, one host agent, a database of its own. */
export interface System {
  controlPlane: ControlPlane
  sandboxUrl: string
  apiUrl: string
  people: Person[]
  startHost(runtime?: 'fake' | 'process'): Promise<void>
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
  sandbox(path: string, body?: unknown): Promise<unknown>
  stop(): Promise<void>
}

const personSchema = z.object({
  userId: z.string(),
  telegramUserId: z.number(),
  whatsappAddress: z.string(),
  bearer: z.string(),
})

/** `logs` collects the log lines of the control plane and the agents, parsed. */
export async function startTestSystem(
  settings: Record<string, string> = {},
  logs: Record<string, unknown>[] = [],
): Promise<System> {
  const log = pino({ level: 'debug' }, { write: (line) => void logs.push(JSON.parse(line)) })
  const folder = mkdtempSync(path.join(tmpdir(), 'yourclaw-e2e-'))
  const database = await createTestDatabase()
  const sandbox = await startSandbox({ port: 0 })
  const controlPlane = await startSystem({
    databaseUrl: database.url,
    sandboxUrl: sandbox.url,
    settings,
    log,
  })
  const { apiUrl } = controlPlane
  const stops: (() => Promise<unknown>)[] = []

  const request = async (url: string, body?: unknown): Promise<unknown> => {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }
    const response = await fetch(url, body === undefined ? {} : init)
    return response.json()
  }
  const people = z.array(personSchema).parse(await request(`${sandbox.url}/sim/people`))

  return {
    controlPlane,
    sandboxUrl: sandbox.url,
    apiUrl,
    people,
    async startHost(runtime = 'fake') {
      const name = `host-${stops.length + 1}`
      const agent = await startAgent(
        readEnv({
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
        }),
        { log },
      )
      stops.push(() => agent.stop(2_000))
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
      const kind = z.enum(['message', 'template', 'typing'])
      return z.array(z.object({ sid: z.string(), kind, body: z.string(), status: z.string() })).parse(sent)
    },
    api: (person, method, path, body) =>
      fetch(`${apiUrl}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${person.bearer}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
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
