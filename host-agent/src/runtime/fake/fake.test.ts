import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AssistantSpec, TurnInput } from '@yourclaw/proto/host/v1'
import { expect, onTestFinished, test } from 'vitest'
import { complete } from '../../relay/completions.ts'
import { createFakeRuntime } from './fake.ts'
import type { FakeFaults } from './gateway.ts'

async function start(model: string, answer: string, faults: FakeFaults = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'fake-'))
  const provider = createServer((_request, response) => response.end(answer))
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  const modelGatewayUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
  const runtime = createFakeRuntime({ dataDir, modelGatewayUrl, faults })
  onTestFinished(async () => {
    await runtime.close()
    provider.close()
    await rm(dataDir, { recursive: true, force: true })
  })
  const spec = AssistantSpec.create({
    assistantId: 'a',
    userId: 'u',
    model,
    gatewayToken: 'gt',
    virtualKey: 'vk',
  })
  const { url } = await runtime.start(spec)
  const ask = async (gatewayToken = 'gt') => {
    let text = ''
    const turn = TurnInput.create({ messages: [{ text: 'hi' }] })
    const onText = (piece: string) => {
      text += piece
    }
    const target = { url, gatewayToken }
    await complete({ target, sessionKey: 'yourclaw-a', turn, signal: AbortSignal.timeout(5_000), onText })
    return text
  }
  return { runtime, spec, ask }
}

test('an assistant on OpenAI answers, remembers, and forgets when it is erased', async () => {
  const { runtime, spec, ask } = await start(
    'openai/gpt-4o',
    'data: {"choices":[{"delta":{"content":"yes"}}]}\n\ndata: [DONE]\n\n',
  )
  expect(await runtime.conversation(spec, 0).exists()).toBe(false)
  expect(await ask()).toBe('yes')
  expect(await runtime.conversation(spec, 0).exists()).toBe(true)
  await runtime.erase(spec)
  expect(await runtime.conversation(spec, 0).exists()).toBe(false)
})

test('an assistant on Gemini answers', async () => {
  const { ask } = await start('google/gemini-x', '{"candidates":[{"content":{"parts":[{"text":"yes"}]}}]}')
  expect(await ask()).toBe('yes')
})

test('a wrong gateway token is refused', async () => {
  const { ask } = await start('google/gemini-x', '{}')
  await expect(ask('other')).rejects.toMatchObject({ code: 'gateway_error', retryable: false })
})

test('an assistant that crashes in a turn fails it as unreachable and is reported as ended', async () => {
  const { runtime, ask } = await start('google/gemini-x', '{}', { crash: true })
  const exited = new Promise<string>((resolve) => runtime.onExit(resolve))
  await expect(ask()).rejects.toMatchObject({ code: 'assistant_unreachable', retryable: true })
  expect(await exited).toBe('a')
})
