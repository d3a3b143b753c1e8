import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import {
  AssistantSpec,
  type Observed,
  Phase,
  Presence,
  Provider,
  type TurnEvent,
} from '@yourclaw/proto/host/v1'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { startAgent } from '../agent.ts'
import { readEnv } from '../env.ts'
import type { FakeFaults } from '../runtime/fake/gateway.ts'
import { startTestControlPlane, type TestControlPlaneOptions } from './control-plane.ts'

/** A model that speaks Anthropic's stream: one piece, then `rest` once it is released. */
async function startModel(rest: string[]) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const requests: { key: unknown; last: unknown }[] = []
  const aborted = Promise.withResolvers<void>()
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as { messages: { content: string }[] }
    requests.push({ key: request.headers['x-api-key'], last: body.messages.at(-1)?.content })
    response.once('close', () => response.writableEnded || aborted.resolve())
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const piece = (text: string) =>
      response.write(`data: ${JSON.stringify({ type: 'content_block_delta', delta: { text } })}\n\n`)
    piece('one ')
    await released
    rest.forEach(piece)
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    release()
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, release, requests, aborted: aborted.promise }
}

interface TestAgentOptions {
  control?: TestControlPlaneOptions
  settings?: Record<string, string>
  faults?: FakeFaults
  diskIntervalMs?: number
  /** What the model says after its first piece and its release. */
  rest?: string[]
}

/** An agent with fake assistants between a test's control plane and a test's model, over real sockets. */
export async function startTestAgent(options: TestAgentOptions = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'agent-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const model = await startModel(options.rest ?? ['two'])
  const control = await startTestControlPlane(options.control)
  onTestFinished(control.stop)
  const env = readEnv({
    CONTROL_PLANE_URL: control.url,
    JOIN_TOKEN: 'join',
    STATE_DIR: join(dir, 'state'),
    RUNTIME: 'fake',
    ASSISTANT_DATA_DIR: join(dir, 'data'),
    ANTHROPIC_BASE_URL: model.url,
    ...options.settings,
  })
  const warnings: string[] = []
  const boot = async () => {
    const agent = await startAgent(env, {
      log: pino({ level: 'warn' }, { write: (line) => warnings.push(line) }),
      backoff: { baseMs: 5, maxMs: 20, stableMs: 1000 },
      crashes: { limit: 3, baseMs: 1 },
      ...(options.faults && { faults: options.faults }),
      ...(options.diskIntervalMs !== undefined && { diskIntervalMs: options.diskIntervalMs }),
    })
    onTestFinished(() => agent.stop(0))
    return agent
  }
  return { control, model, env, dir, boot, warnings }
}

export type TestControlPlane = Awaited<ReturnType<typeof startTestControlPlane>>
type Session = Awaited<ReturnType<TestControlPlane['sessions']['next']>>

/** An assistant as the control plane wants it. */
export const spec = (more: Partial<AssistantSpec> = {}) =>
  AssistantSpec.create({
    assistantId: 'a1',
    userId: 'u1',
    generation: 1,
    presence: Presence.PRESENCE_RUNNING,
    model: 'anthropic/claude-haiku-4-5',
    gatewayToken: 'gt',
    virtualKey: 'vk',
    ...more,
  })

/** Tells a session the whole desired state. `seq` is 2 unless given. */
export function sendSnapshot(
  { call, seq = 2n }: Pick<Session, 'call'> & { seq?: bigint },
  assistants: AssistantSpec[],
) {
  const removeOrphans = false
  const sharedKeys = [{ provider: Provider.PROVIDER_ANTHROPIC, key: 'real' }]
  call.write({
    seq,
    ack: 0n,
    body: { $case: 'snapshot', snapshot: { assistants, sharedKeys, removeOrphans } },
  })
}

/** The next report that fits. */
export async function reported(control: TestControlPlane, fits: (observed: Observed) => boolean) {
  const message = await control.said.next(({ body }) => body?.$case === 'observed' && fits(body.observed))
  if (message.body?.$case !== 'observed') throw new Error('unreachable')
  return message.body.observed
}

/** A session on which the assistant is ready. */
export async function ready(control: TestControlPlane) {
  const session = await control.sessions.next()
  sendSnapshot(session, [spec()])
  await reported(control, ({ phase }) => phase === Phase.PHASE_READY)
  return session
}

export const startTurn = {
  turnId: 't1',
  assistantId: 'a1',
  attempt: 1,
  traceParent: '',
  conversation: 0,
  input: undefined,
}
export const is = (kind: string) => (event: TurnEvent) => event.body?.$case === kind

/** A turn that has its input and has shown the first piece of its answer. */
export async function running(control: TestControlPlane, deadlineMs = 60_000) {
  const session = await ready(control)
  session.call.write({ seq: 3n, ack: 0n, body: { $case: 'startTurn', startTurn } })
  const turn = await control.turnCalls.next()
  const opened = await turn.events.next()
  const messages = ['a', 'b'].map((text) => ({ text, atUnixMs: 0n }))
  const deadlineUnixMs = BigInt(Date.now() + deadlineMs)
  turn.call.write({ body: { $case: 'input', input: { messages, history: [], deadlineUnixMs } } })
  await turn.events.next(is('delta'))
  return { session, turn, opened }
}
