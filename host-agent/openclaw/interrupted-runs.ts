import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { AssistantSpec, TurnInput } from '@yourclaw/proto/host/v1'
import { plugins } from '../src/plugins.ts'
import { complete } from '../src/relay/completions.ts'
import { configPath, renderConfig, writeConfig } from '../src/runtime/openclaw/config.ts'
import { openclawConversation } from '../src/runtime/openclaw/conversation.ts'
import { ready } from '../src/runtime/openclaw/ready.ts'
import { freePort, type GatewayProcess, spawnGateway } from '../src/runtime/process/gateway.ts'
import { sessionKey } from '../src/runtime/session-key.ts'
import { ensureOpenclaw, openclawVersion } from './install.ts'

// Repeats docs/openclaw-interrupted-runs.md: run it when the pin changes, and compare. It prints, for each case, what
// the session says after the interruption and ten seconds after the next start, and how often the model was called.

const spec = AssistantSpec.create({
  assistantId: 'a1',
  userId: 'u1',
  model: 'anthropic/claude-sonnet-4-5-20250929',
  gatewayToken: 'token',
  virtualKey: 'key',
})
const entry = await ensureOpenclaw({ progress: console.log })
const folder = await mkdtemp(join(tmpdir(), 'interrupted-runs-'))
const places = { home: join(folder, 'home'), workspace: join(folder, 'workspace') }
for (const place of Object.values(places)) await mkdir(place, { recursive: true })
const conversation = openclawConversation(places.home, sessionKey(spec.assistantId, 0))

/** A model that answers at once, holds its answer back, holds back its second half, or refuses. */
let mode: 'answer' | 'silent' | 'half' | 'refuse' = 'answer'
let calls = 0
let called = () => {}
const model = createServer(async (request, response) => {
  await text(request)
  calls += 1
  const { promise: held } = Promise.withResolvers<void>()
  const event = (type: string, more: object) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`)
  const piece = (said: string) =>
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: said } })
  if (mode === 'refuse') {
    const error = { type: 'invalid_request_error', message: 'refused' }
    response
      .writeHead(400, { 'content-type': 'application/json' })
      .end(JSON.stringify({ type: 'error', error }))
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const usage = { input_tokens: 1, output_tokens: 1 }
  const message = { id: `m${calls}`, type: 'message', role: 'assistant', model: 'm', content: [], usage }
  if (mode === 'silent') {
    called()
    await held
  }
  event('message_start', { message })
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } })
  piece(`answer ${calls}, `)
  if (mode === 'half') {
    called()
    await held
  }
  piece('complete')
  event('content_block_stop', { index: 0 })
  event('message_delta', { delta: { stop_reason: 'end_turn' }, usage })
  event('message_stop', {})
  response.end()
})
await new Promise<void>((resolve) => model.listen(0, '127.0.0.1', resolve))
const modelUrl = `http://127.0.0.1:${(model.address() as AddressInfo).port}`

let gateway: GatewayProcess
async function up(): Promise<void> {
  const port = await freePort()
  await writeConfig(
    configPath(places),
    renderConfig(spec, places, {
      port,
      bind: 'loopback',
      modelGatewayUrl: modelUrl,
      browser: false,
      channelPlugin: plugins.channel,
      webSearchPlugin: plugins.webSearch,
    }),
  )
  gateway = spawnGateway({ entry, places, port })
  await ready(gateway, 90_000)
}
const ask = (said: string, signal = AbortSignal.timeout(120_000)) =>
  complete({
    target: { url: gateway.url, gatewayToken: spec.gatewayToken },
    assistantId: spec.assistantId,
    turn: TurnInput.create({ messages: [{ text: said }] }),
    signal,
    onText: () => {},
  }).then(
    () => 'answered',
    (error: unknown) => String(error),
  )

/** One case: a turn in `during`, what is done to it once the model was called, and what comes of it. */
async function look(name: string, during: typeof mode, interrupt: (leave: AbortController) => Promise<void>) {
  const mark = await conversation.end()
  const before = calls
  mode = during
  const leave = new AbortController()
  const reached = new Promise<void>((resolve) => {
    called = resolve
  })
  const asked = ask(name, leave.signal)
  if (during === 'silent' || during === 'half') await reached
  await interrupt(leave)
  const heard = await asked
  await pause(1_000)
  const after = await conversation.since(mark)
  mode = 'answer'
  await gateway.stop(0)
  await up()
  await pause(10_000)
  console.log(name, { heard, after, restarted: await conversation.since(mark), calls: calls - before })
}

try {
  console.log(`OpenClaw ${openclawVersion}`)
  await up()
  console.log('first turn', await ask('hello'))
  await look('client gone, model silent', 'silent', async (leave) => leave.abort())
  await look('client gone, half an answer', 'half', async (leave) => leave.abort())
  await look('kill -9 at once', 'answer', () => gateway.stop(0))
  await look('kill -9, model silent', 'silent', () => gateway.stop(0))
  await look('kill -9, half an answer', 'half', () => gateway.stop(0))
  await look('the model refuses', 'refuse', () => pause(2_000))
} finally {
  await gateway.stop(0)
  model.closeAllConnections()
  model.close()
  await rm(folder, { recursive: true, force: true })
}
