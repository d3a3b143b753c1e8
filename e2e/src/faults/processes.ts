import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '@yourclaw/control-plane/testing'
import { type Database, openDatabase } from '@yourclaw/db'
import { startSandbox } from '@yourclaw/sandbox'
import { z } from 'zod'
import { type Person, peopleSchema, request } from '../people.ts'
import { until } from '../until.ts'
import { type Program, runProgram } from './program.ts'
import { startWire, type Wire } from './wire.ts'

/** Where the control plane can be made to die; each has a `:before` and an `:after`. */
export const steps = ['webhook', 'claimTurns', 'readTurnInput', 'finishTurn', 'send'] as const
export type CrashPoint = `${(typeof steps)[number]}:${'before' | 'after'}`

/** The system as processes that can be killed, frozen and cut off from each other; the sandbox stays. */
export interface Processes {
  db: Database
  people: Person[]
  replicas: Program[]
  /** The one in front. */
  replica(): Program
  agent: Program
  /** Between host and control plane. */
  wire: Wire
  /** Which replica new connections, of hosts and of webhooks, go to. */
  front: { replica: number }
  /** The replica in front dies at this point, once. */
  crashAt(point: CrashPoint): void
  /** A gateway dies in its next turn; which one is left to chance. */
  killGateway(): void
  /** Gateways that are still to die. */
  gatewayKillsLeft(): number
  say(person: Person, text: string): Promise<void>
  heard(person: Person): Promise<string[]>
  sayOnWhatsapp(person: Person, body: string): Promise<void>
  heardOnWhatsapp(person: Person): Promise<string[]>
  /** Twilio gives up on a webhook after some tries; what it gave up is sent once more, with its id. */
  repeatUndelivered(): Promise<void>
  sandbox(path: string, body?: unknown): Promise<unknown>
  stop(): Promise<void>
}

const root = fileURLToPath(new URL('../../..', import.meta.url))
const whatsappSchema = z.array(z.object({ kind: z.string(), body: z.string() }))
const saidSchema = z.object({
  person: z.array(z.object({ sid: z.string(), body: z.string(), delivered: z.boolean() })),
})
const sentSchema = z.array(z.object({ kind: z.string(), text: z.string() }))

export async function startProcesses(options: {
  databaseUrl: string
  replicas?: number
  /** Two when absent. */
  people?: number
  settings?: Record<string, string>
}): Promise<Processes> {
  const folder = mkdtempSync(path.join(tmpdir(), 'yourclaw-faults-'))
  const sandbox = await startSandbox({ port: 0 })
  for (let number = 3; number <= (options.people ?? 2); number += 1) {
    const person = { name: `Person ${number}`, email: `person.${number}@example.com`, seeded: true }
    await request(`${sandbox.url}/sim/people`, person)
  }
  const front = { replica: 0 }
  const ports = await Promise.all(
    Array.from({ length: options.replicas ?? 1 }, async () => ({
      http: await freePort(),
      grpc: await freePort(),
    })),
  )
  const http = await startWire(() => ports[front.replica]?.http ?? 0)
  const wire = await startWire(() => ports[front.replica]?.grpc ?? 0)
  const apiUrl = `http://127.0.0.1:${http.port}`
  const gatewayKills = path.join(folder, 'gateway-kills')
  mkdirSync(gatewayKills)
  let kills = 0
  const crashFile = (replica: number) => path.join(folder, `crash-${replica}`)

  const controlPlaneEnv = {
    NODE_ENV: 'test',
    DATABASE_URL: options.databaseUrl,
    API_URL: apiUrl,
    GRPC_PUBLIC_ADDRESS: `localhost:${wire.port}`,
    TELEGRAM_API_ROOT: `${sandbox.url}/telegram`,
    TWILIO_API_BASE: `${sandbox.url}/twilio`,
    TRANSCRIPTION_BASE_URL: `${sandbox.url}/openai/v1`,
    STRIPE_API_BASE: sandbox.url,
    RESEND_BASE_URL: `${sandbox.url}/resend`,
    SANDBOX_URL: sandbox.url,
    DEV_SEED: '1',
    RATE_LIMIT_PER_DAY: '100000',
    RATE_LIMIT_PER_MINUTE: '100000',
    ...options.settings,
  }
  const replicas = ports.map(({ http, grpc }, index) =>
    runProgram({
      script: fileURLToPath(new URL('./control-plane.ts', import.meta.url)),
      env: {
        ...controlPlaneEnv,
        PORT: String(http),
        GRPC_PORT: String(grpc),
        CRASH_FILE: crashFile(index),
      },
    }),
  )
  for (const { http } of ports) await until(async () => (await fetch(`http://127.0.0.1:${http}/health`)).ok)

  const joinToken = execFileSync(process.execPath, ['control-plane/src/cli/join-token.ts'], {
    cwd: root,
    env: { PATH: process.env.PATH, ...controlPlaneEnv },
    encoding: 'utf8',
  }).trim()
  const agent = runProgram({
    script: fileURLToPath(new URL('./host-agent.ts', import.meta.url)),
    env: {
      CONTROL_PLANE_URL: apiUrl,
      JOIN_TOKEN: joinToken,
      HOST_NAME: 'host',
      GATEWAY_KILLS: gatewayKills,
      RUNTIME: 'fake',
      MAX_ASSISTANTS: '100',
      STATE_DIR: path.join(folder, 'agent'),
      ASSISTANT_DATA_DIR: path.join(folder, 'assistants'),
      ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic`,
      OPENAI_BASE_URL: `${sandbox.url}/openai`,
      GEMINI_BASE_URL: `${sandbox.url}/gemini`,
    },
  })
  const db = openDatabase(options.databaseUrl)
  const phone = (person: Person) =>
    `${sandbox.url}/sim/whatsapp/${encodeURIComponent(person.whatsappAddress)}`
  const chat = (person: Person) => `${sandbox.url}/sim/telegram/${person.telegramUserId}/messages`

  const people = await until(
    async () => peopleSchema.safeParse(await request(`${sandbox.url}/sim/people`)).data,
  )

  return {
    db,
    people,
    replicas,
    replica() {
      const replica = replicas[front.replica]
      if (!replica) throw new Error('there is no such replica')
      return replica
    },
    agent,
    wire,
    front,
    killGateway() {
      kills += 1
      writeFileSync(path.join(gatewayKills, String(kills)), '')
    },
    gatewayKillsLeft: () => readdirSync(gatewayKills).length,
    crashAt: (point) => writeFileSync(crashFile(front.replica), point),
    say: async (person, text) => void (await request(chat(person), { text })),
    heard: async (person) =>
      sentSchema
        .parse(await request(chat(person)))
        .flatMap(({ kind, text }) => (kind === 'message' ? [text] : [])),
    sayOnWhatsapp: async (person, body) => void (await request(`${phone(person)}/messages`, { body })),
    heardOnWhatsapp: async (person) =>
      whatsappSchema
        .parse(await request(`${phone(person)}/messages`))
        .flatMap(({ kind, body }) => (kind === 'message' ? [body] : [])),
    async repeatUndelivered() {
      for (const person of people) {
        const said = saidSchema.parse(await request(`${phone(person)}/conversation`))
        const taken = new Set(said.person.filter(({ delivered }) => delivered).map(({ sid }) => sid))
        const lost = new Map(said.person.filter(({ sid }) => !taken.has(sid)).map((said) => [said.sid, said]))
        for (const { body, sid } of lost.values()) {
          await request(`${phone(person)}/messages`, { body, messageSid: sid })
        }
      }
    },
    sandbox: (path, body) => request(`${sandbox.url}${path}`, body),
    async stop() {
      await agent.stop()
      await Promise.all(replicas.map((replica) => replica.stop()))
      await Promise.all([wire.close(), http.close()])
      await db.$disconnect()
      await sandbox.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
