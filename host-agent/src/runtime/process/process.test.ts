import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AssistantSpec, Provider, TurnInput } from '@yourclaw/proto/host/v1'
import { startSandbox } from '@yourclaw/sandbox'
import { tracingOff } from '@yourclaw/telemetry'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { ensureOpenclaw } from '../../../openclaw/install.ts'
import { createKeyRing } from '../../model-gateway/keys.ts'
import { startModelGateway } from '../../model-gateway/server.ts'
import { createMetrics } from '../../observability/metrics.ts'
import { createWatch } from '../../observability/watch.ts'
import { complete } from '../../relay/completions.ts'
import { sessionKey } from '../session-key.ts'
import { createProcessRuntime } from './process.ts'

const canary = 'sk-canary-of-the-provider'

/** One assistant on the real OpenClaw, before a scripted model, with its model gateway between them. */
async function start() {
  await ensureOpenclaw()
  const dataDir = await mkdtemp(join(tmpdir(), 'process-'))
  const sandbox = await startSandbox({ port: 0 })
  const keys = createKeyRing()
  keys.setShared([
    { provider: Provider.PROVIDER_ANTHROPIC, key: canary },
    { provider: Provider.PROVIDER_OPENAI, key: canary },
    { provider: Provider.PROVIDER_BRAVE, key: canary },
  ])
  keys.setAssistant('a1', 'vk-1', [])
  const env = {
    ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic`,
    OPENAI_BASE_URL: `${sandbox.url}/openai`,
    GEMINI_BASE_URL: `${sandbox.url}/gemini`,
    BRAVE_BASE_URL: `${sandbox.url}/brave`,
  }
  const anotherModelGateway = async () => {
    const watch = createWatch({ metrics: createMetrics(), tracing: tracingOff })
    const modelGateway = await startModelGateway({ watch, keys, env, log: pino({ level: 'silent' }) })
    onTestFinished(modelGateway.close)
    return modelGateway
  }
  const modelGateway = await anotherModelGateway()
  process.env.ANTHROPIC_API_KEY = canary
  const runtime = createProcessRuntime({ dataDir, modelGatewayUrl: modelGateway.url })
  onTestFinished(async () => {
    delete process.env.ANTHROPIC_API_KEY
    await runtime.close()
    await sandbox.stop()
    await rm(dataDir, { recursive: true, force: true })
  })
  const spec = AssistantSpec.create({
    assistantId: 'a1',
    userId: 'u1',
    model: 'anthropic/claude-sonnet-4-5-20250929',
    gatewayToken: 'gateway-token-1',
    virtualKey: 'vk-1',
  })
  const script = (body: object) =>
    fetch(`${sandbox.url}/sim/models/script`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const requests = async () =>
    (await (await fetch(`${sandbox.url}/sim/models/requests`)).json()) as { model: string; body: unknown }[]
  const ask = async (url: string, message: string, gatewayToken = spec.gatewayToken) => {
    let text = ''
    await complete({
      target: { url, gatewayToken },
      sessionKey: sessionKey('a1', 0),
      turn: TurnInput.create({ messages: [{ text: message }] }),
      signal: AbortSignal.timeout(30_000),
      onText: (piece) => {
        text += piece
      },
    })
    return text
  }
  return { runtime, spec, script, requests, ask, dataDir, anotherModelGateway }
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('F6, F9, M13, S3, D1, D2: a real OpenClaw answers, searches the web, remembers over a change of model and of agent in one process, and holds no provider key', {
  timeout: 180_000,
}, async () => {
  const { runtime, spec, script, requests, ask, dataDir, anotherModelGateway } = await start()
  // Without a match: OpenClaw adds a message of its own after the user's.
  await script({ reply: 'Noted, Ada it is.' })

  // F6: a turn gets the model's answer.
  const { url, containerId } = await runtime.start(spec)
  expect(await runtime.conversation(spec, 0).exists()).toBe(false)
  expect(await ask(url, 'my cat is called Ada')).toBe('Noted, Ada it is.')
  expect(await runtime.conversation(spec, 0).exists()).toBe(true)

  // M13: another model, the same process, the same memory.
  const other = { ...spec, model: 'openai/gpt-4o' }
  await runtime.apply(other)
  await script({ reply: 'Ada, as you said.' })
  expect(await ask(url, 'what is my cat called')).toBe('Ada, as you said.')
  const last = (await requests()).at(-1)
  expect(last?.model).toBe('gpt-4o')
  expect(JSON.stringify(last?.body)).toContain('my cat is called Ada')
  expect((await runtime.start(other)).containerId).toBe(containerId)

  // The web is searched through the model gateway, which has the key.
  await script({ reply: 'Found it.' })
  await script({ toolCalls: [{ name: 'web_search', arguments: { query: 'tea in Kyoto' } }], times: 1 })
  expect(await ask(url, 'search for tea')).toContain('Found it.')
  const searched = JSON.stringify((await requests()).at(-1)?.body)
  expect(searched).toContain('What there is on tea in Kyoto.')
  expect(searched).toContain('https://example.com/search?q=tea%20in%20Kyoto')
  await script({ reply: 'Ada, as you said.' })

  // A new gateway token works as soon as it is applied, and the old one no more.
  const renewed = { ...other, gatewayToken: 'gateway-token-2' }
  await runtime.apply(renewed)
  await expect(ask(url, 'hi')).rejects.toMatchObject({ code: 'gateway_error' })
  expect(await ask(url, 'hi', renewed.gatewayToken)).toBe('Ada, as you said.')

  // S3: neither in a file nor in the environment; grep ends with 1 when it finds nothing.
  const grep = promisify(execFile)('grep', ['-rqa', canary, dataDir])
  await expect(grep).rejects.toMatchObject({ code: 1 })
  expect(await readFile(`/proc/${containerId}/environ`, 'utf8')).not.toContain(canary)

  // F9: an agent that died leaves it running; the next one adopts it and gives it its own model gateway's address.
  const exited = new Promise<string>((resolve) => runtime.onExit(resolve))
  const next = createProcessRuntime({ dataDir, modelGatewayUrl: (await anotherModelGateway()).url })
  expect(await next.leftRunning()).toEqual(['a1'])
  const adopted = await next.start(renewed)
  expect(adopted).toEqual({ containerId, url })
  expect(await next.leftRunning()).toEqual([])
  expect(await ask(url, 'hi again', renewed.gatewayToken)).toBe('Ada, as you said.')

  // One that is asked to restart meanwhile is not adopted.
  const third = createProcessRuntime({ dataDir, modelGatewayUrl: 'http://127.0.0.1:9' })
  // D1, D2: archived while it serves; restored, it is the same.
  const archive = join(dataDir, 'archive.tar.gz')
  const { sha256 } = await next.archiveState(spec, archive)
  expect(await ask(url, 'still there', renewed.gatewayToken)).toBe('Ada, as you said.')
  await next.erase(spec)
  await next.restoreState(spec, archive, sha256)
  await next.start(renewed)
  const restarted = await third.start({ ...renewed, restartCount: 1 })
  expect(restarted.containerId).not.toBe(containerId)
  expect(await exited).toBe('a1')
  expect(isAlive(Number(containerId))).toBe(false)

  // And an agent that stops leaves nothing, not even what it never adopted.
  const reaped = new Promise<string>((resolve) => third.onExit(resolve))
  await createProcessRuntime({ dataDir, modelGatewayUrl: 'http://127.0.0.1:9' }).close()
  await reaped
  expect(isAlive(Number(restarted.containerId))).toBe(false)

  await runtime.erase(spec)
  expect(await runtime.conversation(spec, 0).exists()).toBe(false)
})
