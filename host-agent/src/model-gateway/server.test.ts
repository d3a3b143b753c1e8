import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { Provider } from '@yourclaw/proto/host/v1'
import { startSandbox } from '@yourclaw/sandbox'
import { tracingOff } from '@yourclaw/telemetry'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createMetrics } from '../observability/metrics.ts'
import { createWatch } from '../observability/watch.ts'
import { createKeyRing } from './keys.ts'
import { startModelGateway } from './server.ts'

const asked = JSON.stringify({ model: 'm', max_tokens: 5 })

interface Answer {
  status?: number
  headers?: Record<string, string>
  body?: string
  freeSearchUrl?: string
}

/** A gateway before a provider that tells what it saw, in two pieces; the second waits for `release`. */
async function start({ status = 200, headers = {}, body = '', freeSearchUrl }: Answer = {}) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const seen: { url: string | undefined; headers: IncomingHttpHeaders }[] = []
  const provider = createServer(async (request, response) => {
    seen.push({ url: request.url, headers: request.headers })
    await text(request).catch(() => '')
    const { authorization = '', 'x-api-key': key = '', 'x-goog-api-key': google = '' } = request.headers
    response.writeHead(status, headers)
    response.write(body || `${request.url} ${authorization}${key}${google}`)
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
  keys.setAssistant('a2', 'vk-o', [{ provider: Provider.PROVIDER_OPENAI, key: 'own-o' }])
  const env = {
    ANTHROPIC_BASE_URL: `${base}/anthropic`,
    OPENAI_BASE_URL: `${base}/v1`,
    GEMINI_BASE_URL: base,
  }
  const logged: { level: number; msg: string; err?: object }[] = []
  const metrics = createMetrics()
  const watch = createWatch({ metrics, tracing: tracingOff })
  const gateway = await startModelGateway({
    watch,
    keys,
    env: { ...env, SEARXNG_URL: freeSearchUrl },
    log: pino({ base: null, timestamp: false }, { write: (line) => logged.push(JSON.parse(line)) }),
  })
  onTestFinished(async () => {
    release()
    await gateway.close()
    provider.closeAllConnections()
    provider.close()
  })
  const { url } = gateway
  const post = (path: string, headers: Record<string, string> = { 'x-api-key': 'vk' }) =>
    fetch(url + path, { method: 'POST', headers, body: asked })
  return { url, release, seen, post, metrics, logged, breakOff: () => provider.closeAllConnections() }
}

test('S3: the own key wins over the shared one, and the answer streams through', async () => {
  const { post, release } = await start()
  const response = await post('/anthropic/v1/messages?beta=1')
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  expect((await reader?.read())?.value).toBe('/anthropic/v1/messages?beta=1 own-a')
  release()
  expect((await reader?.read())?.value).toBe(' end')
})

test('S3: without an own key the shared one is used, and the virtual one never leaves', async () => {
  const { post, release } = await start()
  release()
  const response = await post(
    '/google/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse&key=vk',
    {},
  )
  expect(await response.text()).toBe(
    '/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse shared-g end',
  )
})

test('base URLs with and without the version lead to the same call', async () => {
  const { post, release, seen } = await start()
  release()
  const bearer = { authorization: 'Bearer vk-o' }
  for (const path of ['/openai/v1/responses', '/openai/responses']) {
    expect(await (await post(path, bearer)).text()).toBe('/v1/responses Bearer own-o end')
  }
  expect((await post('/openai/v1/chat/completions', bearer)).status).toBe(200)
  expect((await post('/anthropic/v1/messages/count_tokens')).status).toBe(200)
  expect(seen).toHaveLength(4)
})

test('S3: without a key for web search the host’s own search engine is asked, in words that assistants know', async () => {
  const ask = (url: string, key = 'vk') =>
    fetch(`${url}/brave/res/v1/web/search?q=tea&count=1&search_lang=de&freshness=pw`, {
      headers: { 'x-subscription-token': key },
    })
  const engine = await startSandbox({ port: 0 })
  onTestFinished(() => engine.stop())
  const { url, seen } = await start({ freeSearchUrl: `${engine.url}/searxng` })
  expect(await (await ask(url)).json()).toMatchObject({
    web: { results: [{ title: 'About tea', url: expect.any(String), description: 'What there is on tea.' }] },
  })
  expect((await ask(url, 'nope')).status).toBe(422)
  expect(seen).toEqual([])
  const refusing = await start({ freeSearchUrl: `${engine.url}/nothing` })
  expect(await (await ask(refusing.url)).json()).toMatchObject({ error: { code: 'search_failed' } })
  const without = await start()
  expect(await (await ask(without.url)).json()).toMatchObject({ error: { code: 'no_provider_key' } })
})

test('an unknown virtual key and a provider without a key are refused', async () => {
  const { post } = await start()
  const stranger = await post('/anthropic/v1/messages', { 'x-api-key': 'nope' })
  expect([stranger.status, await stranger.json()]).toMatchObject([
    422,
    { error: { code: 'unknown_virtual_key' } },
  ])
  const none = await post('/openai/v1/responses', { authorization: 'Bearer vk' })
  expect([none.status, await none.json()]).toMatchObject([422, { error: { code: 'no_provider_key' } }])
})

test('S3: a key opens the calls that assistants make and nothing else of the provider', async () => {
  const { url, seen } = await start()
  const call = (method: string, path: string) =>
    new Promise<unknown[]>((resolve, reject) => {
      // Paths go out as they are written here; fetch would tidy them up.
      const { hostname, port } = new URL(url)
      const headers = { 'x-api-key': 'vk' }
      httpRequest({ hostname, port, method, path, headers }, (response) => {
        json(response).then((body) => resolve([response.statusCode, (body as Refused).error.code]), reject)
      })
        .on('error', reject)
        .end()
    })
  for (const path of [
    '/anthropic/v1/models',
    '/anthropic/v1/messages/batches',
    '/anthropic/v1/messages/',
    '/anthropic//v1/messages',
    '/anthropic/v1/../v1/messages',
    '/anthropic/v1/%2e%2e/v1/messages',
    '/anthropic/v1/messages%2f..%2fmodels',
    '/anthropic/v1/messages#x',
    '/anthropic/../openai/v1/files',
    '/openai/v1/files',
    '/google/v1beta/models/g',
    '/google/v1beta/models/a/b:generateContent',
    '/google/v1beta/models/..%2f..:generateContent',
    '/google/v1beta/models/g:batchEmbedContents',
  ]) {
    expect([path, await call('POST', path)]).toEqual([path, [404, 'unknown_call']])
  }
  for (const path of [
    '/',
    '*',
    '//evil.example/v1/messages',
    'http://evil.example/v1/messages',
    '/v1/messages',
  ]) {
    expect([path, await call('POST', path)]).toEqual([path, [404, 'unknown_provider']])
  }
  expect(await call('GET', '/anthropic/v1/messages')).toEqual([404, 'unknown_call'])
  expect(seen).toEqual([])
})

interface Refused {
  error: { code: string }
}

test('S3: a refused key reaches the assistant as a coded 422 without the provider’s words', async () => {
  for (const [status, code] of [
    [401, 'key_invalid'],
    [402, 'out_of_quota'],
    [403, 'key_forbidden'],
  ] as const) {
    const { post, release } = await start({
      status,
      body: '{"error":{"message":"Wrong key own-a, billing"}}',
    })
    release()
    const response = await post('/anthropic/v1/messages')
    const words = await response.text()
    expect(response.status).toBe(422)
    expect(JSON.parse(words)).toMatchObject({ type: 'error', error: { code } })
    expect(words).not.toMatch(/own-a|billing|40\d/)
  }
})

test('a provider that stays busy or broken ends the call at once, by code; what is wrong with a request goes through', async () => {
  for (const [status, code] of [
    [429, 'rate_limited'],
    [529, 'provider_down'],
  ] as const) {
    const { post, release } = await start({ status, headers: { 'retry-after': '60' }, body: 'slow down' })
    release()
    const response = await post('/anthropic/v1/messages')
    // On its status OpenClaw would ask again for minutes; on ours it takes the fallback model.
    expect([response.status, await response.json()]).toMatchObject([422, { error: { code } }])
  }
  const { post, release } = await start({
    status: 400,
    headers: { 'x-kept': '1' },
    body: 'prompt is too long',
  })
  release()
  const response = await post('/anthropic/v1/messages')
  expect([response.status, response.headers.get('x-kept')]).toEqual([400, '1'])
  expect(await response.text()).toBe('prompt is too long end')
})

test('headers of one connection, and those it names, stay on it in both directions', async () => {
  const { url, release, seen } = await start({
    headers: { connection: 'close, X-Hop-Back', 'x-hop-back': '1', 'keep-alive': 'timeout=1', 'x-kept': '1' },
  })
  release()
  const sent = {
    'x-api-key': 'vk',
    connection: 'keep-alive, X-Hop',
    'x-hop': '1',
    te: 'trailers',
    'proxy-authorization': 'p',
    'anthropic-version': '2023-06-01',
  }
  const call = httpRequest(`${url}/anthropic/v1/messages`, { method: 'POST', headers: sent }).end(asked)
  const [response] = await once(call, 'response')
  await text(response)
  expect(response.headers).toMatchObject({ 'x-kept': '1' })
  expect(response.headers).not.toHaveProperty('x-hop-back')
  expect(response.headers['keep-alive']).not.toBe('timeout=1')
  expect(seen[0]?.headers).toMatchObject({ 'anthropic-version': '2023-06-01', 'x-api-key': 'own-a' })
  for (const name of ['x-hop', 'te', 'proxy-authorization']) expect(seen[0]?.headers).not.toHaveProperty(name)
  expect(seen[0]?.headers.connection).not.toContain('X-Hop')
})

test('a request above 32 MiB is refused with 413, whether or not it says its length', async () => {
  const { url, seen } = await start()
  const headers = { 'x-api-key': 'vk' }
  const length = 32 * 1024 * 1024 + 1
  const announced = httpRequest(`${url}/anthropic/v1/messages`, {
    method: 'POST',
    headers: { ...headers, 'content-length': length },
  })
  announced.on('error', () => {}).flushHeaders()
  const [first] = await once(announced, 'response')
  expect([first.statusCode, await json(first)]).toMatchObject([413, { error: { code: 'request_too_large' } }])
  expect(seen).toEqual([])

  const chunked = httpRequest(`${url}/anthropic/v1/messages`, { method: 'POST', headers })
  chunked.on('error', () => {})
  const refused = once(chunked, 'response')
  const megabyte = Buffer.alloc(1024 * 1024)
  for (let sent = 0; sent < length; sent += megabyte.length) chunked.write(megabyte)
  const [second] = await refused
  expect(second.statusCode).toBe(413)
})

test('a caller that breaks off in its request leaves the gateway serving others', async () => {
  const { url, post, release } = await start()
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(
    'POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: vk\r\ncontent-length: 9\r\n\r\n{',
  )
  await once(socket, 'connect')
  socket.destroy()
  release()
  expect((await post('/anthropic/v1/messages')).status).toBe(200)
})

test('who leaves a call is no fault, and a provider that breaks off is one', async () => {
  const { url, post, logged, breakOff } = await start()
  const left = new AbortController()
  const headers = { 'x-api-key': 'vk' }
  const call = { method: 'POST', headers, body: asked, signal: left.signal }
  await (await fetch(`${url}/anthropic/v1/messages`, call)).body?.getReader().read()
  left.abort()
  await expect.poll(() => logged).toEqual([{ level: 30, msg: 'the caller of a model left' }])
  const broken = await post('/anthropic/v1/messages')
  breakOff()
  await expect(broken.text()).rejects.toThrow()
  await expect
    .poll(() => logged.slice(1))
    .toMatchObject([{ level: 40, msg: 'model call ended early', err: { stack: expect.any(String) } }])
})

test('O2: calls are counted by provider and status, refused ones by code', async () => {
  const { post, release, metrics } = await start()
  release()
  await (await post('/google/v1beta/models/gemini-2.0-flash:generateContent?key=vk', {})).text()
  await post('/unheard-of/v1')
  const figures = () => metrics.registry.metrics()
  await expect.poll(figures).toContain('model_call_seconds_count{provider="google",status="200"} 1')
  expect(await figures()).toContain('model_calls_refused_total{code="unknown_provider"} 1')
  expect(await figures()).not.toContain('unheard-of')
})

test('F9: an agent that comes back listens where it did, and knows no key before its snapshot', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'model-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const env = { ANTHROPIC_BASE_URL: '', OPENAI_BASE_URL: '', GEMINI_BASE_URL: '' }
  const boot = () =>
    startModelGateway({
      keys: createKeyRing(),
      env,
      watch: createWatch({ metrics: createMetrics(), tracing: tracingOff }),
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
