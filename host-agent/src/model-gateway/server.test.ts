import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider } from '@yourclaw/proto/host/v1'
import { tracingOff } from '@yourclaw/telemetry'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createMetrics } from '../observability/metrics.ts'
import { createWatch } from '../observability/watch.ts'
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
  const metrics = createMetrics()
  const watch = createWatch({ metrics, tracing: tracingOff })
  const gateway = await startModelGateway({ watch, keys, env, log: pino({ level: 'silent' }) })
  onTestFinished(async () => {
    release()
    await gateway.close()
    provider.closeAllConnections()
    provider.close()
  })
  return { url: gateway.url, release, metrics }
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

test('O2: calls are counted by provider and status, refused ones by code', async () => {
  const { url, release, metrics } = await start()
  release()
  await (await fetch(`${url}/google/v1beta/models/g:generateContent?key=vk`)).text()
  await fetch(`${url}/unheard-of/v1`)
  const figures = () => metrics.registry.metrics()
  await expect.poll(figures).toContain('model_call_seconds_count{provider="google",status="200"} 1')
  expect(await figures()).toContain('model_calls_refused_total{code="unknown_provider"} 1')
  expect(await figures()).not.toContain('unheard-of')
})
