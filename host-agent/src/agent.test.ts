import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { AssistantSpec, Phase, Presence, Provider, type TurnEvent } from '@yourclaw/proto/host/v1'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { startAgent } from './agent.ts'
import { readEnv } from './env.ts'
import { startTestControlPlane } from './testing/control-plane.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A model that speaks Anthropic's stream, in two pieces; the second waits for `release`. */
async function startModel() {
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
    piece('two')
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(async () => {
    release()
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, release, requests, aborted: aborted.promise }
}

async function start(lifeMs?: number) {
  const dir = await mkdtemp(join(tmpdir(), 'agent-'))
  cleanups.push(() => rm(dir, { recursive: true, force: true }))
  const model = await startModel()
  const control = await startTestControlPlane(lifeMs)
  cleanups.push(control.stop)
  const env = readEnv({
    CONTROL_PLANE_URL: control.url,
    JOIN_TOKEN: 'join',
    STATE_DIR: join(dir, 'state'),
    RUNTIME: 'fake',
    ASSISTANT_DATA_DIR: join(dir, 'data'),
    ANTHROPIC_BASE_URL: model.url,
  })
  const options = { log: pino({ level: 'silent' }), backoff: { baseMs: 5, maxMs: 20, stableMs: 1000 } }
  const boot = async () => {
    const agent = await startAgent(env, options)
    cleanups.push(() => agent.stop(0))
    return agent
  }
  await boot()
  return { control, model, env, dir }
}

const spec = AssistantSpec.create({
  assistantId: 'a1',
  userId: 'u1',
  generation: 1,
  presence: Presence.PRESENCE_RUNNING,
  model: 'anthropic/claude-x',
  gatewayToken: 'gt',
  virtualKey: 'vk',
})
const sharedKeys = [{ provider: Provider.PROVIDER_ANTHROPIC, key: 'real' }]

async function ready(control: Awaited<ReturnType<typeof startTestControlPlane>>) {
  const session = await control.sessions.next()
  session.call.write({
    seq: 2n,
    ack: 0n,
    body: { $case: 'snapshot', snapshot: { assistants: [spec], sharedKeys } },
  })
  await control.said.next(
    ({ body }) => body?.$case === 'observed' && body.observed.phase === Phase.PHASE_READY,
  )
  return session
}
const startTurn = { turnId: 't1', assistantId: 'a1', attempt: 1, traceParent: '' }
const input = (deadlineMs = 60_000) => ({
  $case: 'input' as const,
  input: {
    messages: [
      { text: 'a', atUnixMs: 0n },
      { text: 'b', atUnixMs: 0n },
    ],
    history: [],
    deadlineUnixMs: BigInt(Date.now() + deadlineMs),
  },
})
const is = (kind: string) => (event: TurnEvent) => event.body?.$case === kind

async function running(control: Awaited<ReturnType<typeof startTestControlPlane>>, deadlineMs?: number) {
  const session = await ready(control)
  session.call.write({ seq: 3n, ack: 0n, body: { $case: 'startTurn', startTurn } })
  const turn = await control.turnCalls.next()
  const open = await turn.events.next()
  expect(open.body).toMatchObject({ open: { turnId: 't1', needsInput: true, conversationExists: false } })
  turn.call.write({ body: input(deadlineMs) })
  expect((await turn.events.next(is('delta'))).body).toMatchObject({ delta: { text: 'one ' } })
  return { session, turn }
}

test('an enrolled host brings an assistant up and answers a turn with the shared key', async () => {
  const { control, model, env, dir } = await start()
  const { turn } = await running(control)
  model.release()
  expect((await turn.events.next(is('done'))).body).toMatchObject({ done: { text: 'one two' } })
  expect(model.requests).toEqual([{ key: 'real', last: 'a\nb' }])
  expect((await stat(join(env.STATE_DIR, 'identity.json'))).mode & 0o777).toBe(0o600)
  await stat(join(dir, 'data/u1/config/conversation.json'))
})

test('a turn outlives its link: the next session hands its result over, once', async () => {
  const { control, model } = await start()
  await running(control)
  control.cut()
  const next = await control.sessions.next()
  expect(next.hello.heldTurns).toEqual([{ turnId: 't1', attempt: 1, finished: false }])
  model.release()
  next.call.write({ seq: 2n, ack: 0n, body: { $case: 'startTurn', startTurn } })
  const again = await control.turnCalls.next()
  expect((await again.events.next()).body).toMatchObject({
    open: { needsInput: false, sessionEpoch: next.epoch },
  })
  expect((await again.events.next(is('done'))).body).toMatchObject({ done: { text: 'one two' } })
  expect(model.requests).toHaveLength(1)
  again.call.write({ body: { $case: 'stored', stored: {} } })
  again.call.end()
  next.call.write({ seq: 3n, ack: 0n, body: { $case: 'goAway', goAway: { reason: 'draining' } } })
  expect((await control.sessions.next()).hello.heldTurns).toEqual([])
})

test('a canceled turn ends the model call', async () => {
  const { control, model } = await start()
  const { session, turn } = await running(control)
  session.call.write({ seq: 4n, ack: 0n, body: { $case: 'cancelTurn', cancelTurn: { turnId: 't1' } } })
  expect((await turn.events.next(is('failed'))).body).toMatchObject({
    failed: { cause: { code: 'turn_canceled' } },
  })
  await model.aborted
})

test('a turn past its deadline fails with turn_deadline and ends the model call', async () => {
  const { control, model } = await start()
  const { turn } = await running(control, 500)
  expect((await turn.events.next(is('failed'))).body).toMatchObject({
    failed: { cause: { code: 'turn_deadline' } },
  })
  await model.aborted
})

test('a certificate is renewed at two thirds of its life and the next session shows the new one', async () => {
  const { control } = await start(6_000)
  await control.sessions.next()
  await control.sessions.next()
  expect(control.renewals()).toBeGreaterThan(0)
}, 15_000)
