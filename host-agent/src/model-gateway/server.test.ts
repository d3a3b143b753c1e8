import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Provider } from '@yourclaw/proto/host/v1'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createKeyRing } from './keys.ts'
import { startModelGateway } from './server.ts'

/** A gateway before a provider that tells what it saw, in two pieces; the second waits for `release`. */
async function start(status = 200) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const provider = createServer(async (request, response) => {
    response.writeHead(status)
    const { authorization = '', 'x-api-key': key = '', 'x-goog-api-key': google = '' } = request.headers
    response.write(`${request.url} ${authorization}${key}${google}`)
    await released
    response.end(' end')
  })
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
  const keys = createKeyRing()
  keys.setShared([
    { provider: Provider.PROVIDER_ANTHROPIC, key: 'shared-a' },
    { provider: Provider.PROVIDER_GOOGLE, key: 'shared-g' },
  ])
  keys.setAssistant('a1', 'vk', [{ provider: Provider.PROVIDER_ANTHROPIC, key: 'own-a' }])
  const env = { ANTHROPIC_BASE_URL: `${base}/anthropic`, OPENAI_BASE_URL: base, GEMINI_BASE_URL: base }
  const gateway = await startModelGateway({ keys, env, log: pino({ level: 'silent' }) })
  onTestFinished(async () => {
    release()
    await gateway.close()
    provider.closeAllConnections()
    provider.close()
  })
  return { url: gateway.url, release }
}

test('the own key wins over the shared one, and the answer streams through', async () => {
  const { url, release } = await start()
  const response = await fetch(`${url}/anthropic/v1/messages?beta=1`, { headers: { 'x-api-key': 'vk' } })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  expect((await reader?.read())?.value).toBe('/anthropic/v1/messages?beta=1 own-a')
  release()
  expect((await reader?.read())?.value).toBe(' end')
})

test('without an own key the shared one is used, and the virtual one never leaves', async () => {
  const { url, release } = await start()
  release()
  const response = await fetch(`${url}/google/v1beta/models/g:generateContent?key=vk`)
  expect(await response.text()).toBe('/v1beta/models/g:generateContent shared-g end')
})

test('an unknown virtual key and a provider without a key are refused with 403', async () => {
  const { url } = await start()
  const stranger = await fetch(`${url}/anthropic/v1/messages`, { headers: { 'x-api-key': 'nope' } })
  expect([stranger.status, await stranger.json()]).toMatchObject([
    403,
    { error: { code: 'unknown_virtual_key' } },
  ])
  const none = await fetch(`${url}/openai/v1/responses`, { headers: { authorization: 'Bearer vk' } })
  expect([none.status, await none.json()]).toMatchObject([403, { error: { code: 'no_provider_key' } }])
})

test('a provider 401 reaches the assistant as 403, since OpenClaw would switch the key off', async () => {
  const { url, release } = await start(401)
  release()
  const response = await fetch(`${url}/anthropic/v1/messages`, { headers: { 'x-api-key': 'vk' } })
  expect(response.status).toBe(403)
})

test('F9: an agent that comes back listens where it did, and knows no key before its snapshot', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'model-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const env = { ANTHROPIC_BASE_URL: '', OPENAI_BASE_URL: '', GEMINI_BASE_URL: '' }
  const boot = () =>
    startModelGateway({
      keys: createKeyRing(),
      env,
      log: pino({ level: 'silent' }),
      portPath: join(folder, 'port'),
    })
  const before = await boot()
  await before.close()
  const after = await boot()
  onTestFinished(after.close)
  expect(after.url).toBe(before.url)
  const beside = await boot()
  onTestFinished(beside.close)
  expect(beside.url).not.toBe(after.url)
  // 503 is tried again; a refusal would end the run that outlived the agent.
  const early = await fetch(`${after.url}/anthropic/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'vk' },
  })
  expect(early.status).toBe(503)
})
