import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { Provider } from '@yourclaw/proto/host/v1'
import { expect, test, vi } from 'vitest'
import { openLedger } from '../metering/ledger.ts'
import { createMetering } from '../metering/metering.ts'
import { openAccount } from './account.ts'
import { admit } from './admission.ts'
import { readAsked } from './asked.ts'
import { startMetered } from './fixtures.ts'
import { createOpenCalls } from './open-calls.ts'
import { providerRoutes } from './providers.ts'
import { createUsageReader } from './usage-reader.ts'

const sonnet = 'claude-sonnet-4-5-20250929'
const ask = { role: 'user', content: 'hello there' }
const message = (more: object = {}) => ({ model: sonnet, max_tokens: 1_000, messages: [ask], ...more })
const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`
const streamed = { 'content-type': 'text/event-stream' }

test('B4: figures that cannot be true are replaced by an estimate, and break nothing', async () => {
  const usages = [
    { input_tokens: -5, output_tokens: 3 },
    { input_tokens: 1e308, output_tokens: 3 },
    { input_tokens: '5', output_tokens: [] },
    { input_tokens: 5, cache_read_input_tokens: -1, output_tokens: 3 },
    { input_tokens: 5.5, output_tokens: null },
    'none',
    { output_tokens: 9_007_199_254_740_992 },
  ]
  let next = 0
  const { post, counts, metering } = await startMetered((_, response) => {
    const usage = usages[next]
    next += 1
    response.writeHead(200, streamed)
    response.write(event({ type: 'message_start', message: { usage } }))
    response.write(event({ type: 'content_block_delta', delta: { text: 'x'.repeat(30) } }))
    response.end(event({ type: 'message_delta', usage }) + event({ type: 'message_stop' }))
  })
  for (const usage of usages) {
    const answer = await post('/anthropic/v1/messages', message({ stream: true }))
    expect([usage, answer.status, (await answer.text()).includes('message_stop')]).toEqual([usage, 200, true])
  }
  expect(counts()).toMatchObject([{ estimated: true, calls: usages.length, output: usages.length * 10 }])
  expect(counts()[0]?.cost).toBeGreaterThan(0)
  expect(metering.ledger.isHolding('a')).toBe(false)
})

test('B4: a Google answer whose parts are more than their whole is counted by estimate', async () => {
  const { post, counts } = await startMetered((_, response) =>
    response.end(
      JSON.stringify({
        candidates: [{ finishReason: 'STOP', content: { parts: [{ text: 'hi' }] } }],
        usageMetadata: { promptTokenCount: 5, cachedContentTokenCount: 50, candidatesTokenCount: 7 },
      }),
    ),
  )
  const contents = [{ role: 'user', parts: [{ text: 'hello' }] }]
  const answer = await post('/google/v1beta/models/gemini-3.5-flash:generateContent', { contents })
  expect(answer.status).toBe(200)
  await answer.text()
  await vi.waitFor(() => expect(counts()).toMatchObject([{ estimated: true, calls: 1 }]))
})

test('B5: whatever callers make of their bytes, all that is open overshoots by one call at most', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let served = 0
  const most = 40_000
  const { post, metering } = await startMetered(async (_, response, body) => {
    served += 1
    await released
    // A token for each byte, as no words have; data without a space looks like a picture.
    const usage = { input_tokens: body.length, output_tokens: 10 }
    response.end(JSON.stringify({ type: 'message', usage }))
  })
  metering.ledger.allow('a', 300_000, 0)
  const dear = message({
    max_tokens: 1_024,
    messages: [{ role: 'user', content: `/9j/${'0'.repeat(most)}` }],
  })
  const all = Array.from({ length: 8 }, () => post('/anthropic/v1/messages', dear))
  const first = await Promise.race(all)
  expect([first.status, await first.json()]).toMatchObject([429, { error: { code: 'too_many_calls' } }])
  await vi.waitFor(() => expect(served).toBe(1))
  release()
  await Promise.all(all)
  const oneCall = (most + 1_000) * 3
  expect(metering.ledger.spendable('a')).toBeGreaterThan(-oneCall)
  expect(metering.ledger.isHolding('a')).toBe(false)
})

test('B4, B5: what was read and priced is what is sent, with a bound and with its usage asked for', async () => {
  const bodies: string[] = []
  const { post, metering } = await startMetered((_, response, body) => {
    bodies.push(body)
    response.end('{}')
  })
  const sent = async (path: string, body: unknown, key = 'vk') => {
    expect([body, (await post(path, body, key)).status]).toEqual([body, 200])
    return JSON.parse(bodies.at(-1) ?? '')
  }
  // As clients write it, it goes through byte by byte.
  const plain = JSON.stringify(message())
  await sent('/anthropic/v1/messages', plain)
  expect(bodies.at(-1)).toBe(plain)
  // Of two equal names, a parser may take either.
  const twice = plain.replace('{', '{"max_tokens":64000,"model":"claude-opus-4-5-20251101",')
  await sent('/anthropic/v1/messages', twice)
  expect(bodies.at(-1)).not.toContain('opus')
  expect(bodies.at(-1)?.match(/max_tokens/g)).toHaveLength(1)

  const chat = { model: 'gpt-4o', messages: [ask], stream: true, n: 2 }
  expect(await sent('/openai/v1/chat/completions', chat)).toMatchObject({
    stream_options: { include_usage: true },
    max_completion_tokens: 16_384,
  })
  expect(await sent('/openai/v1/responses', { model: 'gpt-6-luna', input: 'x' })).toMatchObject({
    max_output_tokens: 32_768,
  })
  // One's own key pays for itself.
  const own = JSON.stringify(chat)
  await sent('/openai/v1/chat/completions', own, 'vk-own')
  expect(bodies.at(-1)).toBe(own)

  // Left for about 4,000 tokens of Sonnet: for all answers together, thinking among them.
  metering.ledger.allow('a', 60_000, metering.ledger.spentByAll().get('a') ?? 0)
  const thinking = { type: 'enabled', budget_tokens: 30_000 }
  const bounded = await sent('/anthropic/v1/messages', message({ max_tokens: 64_000, thinking }))
  expect(bounded.max_tokens).toBeLessThan(4_001)
  expect(bounded.thinking.budget_tokens).toBeLessThanOrEqual(bounded.max_tokens - 1_024)
  metering.ledger.allow('a', 60_000, metering.ledger.spentByAll().get('a') ?? 0)
  const several = await sent('/openai/v1/chat/completions', { ...chat, n: 4, max_tokens: 16_000 })
  expect(several.max_tokens).toBeLessThanOrEqual(1_500)
  metering.ledger.allow('a', 20_000, metering.ledger.spentByAll().get('a') ?? 0)
  const config = { generation_config: { max_output_tokens: 60_000, temperature: 1 } }
  const google = await sent('/google/v1beta/models/gemini-3.5-flash:generateContent', {
    contents: [],
    ...config,
  })
  expect(google.generation_config).toBeUndefined()
  expect(google.generationConfig).toEqual({ temperature: 1, maxOutputTokens: expect.any(Number) })
})

test('B4: what a provider would charge beside its tokens is not asked for on the shared key', async () => {
  const { post, counts } = await startMetered((_, response) => response.end('{}'))
  const gemini = '/google/v1beta/models/gemini-3.5-flash:generateContent'
  const refused: [string, object][] = [
    ['/anthropic/v1/messages', message({ tools: [{ type: 'web_fetch_20250910', name: 'web_fetch' }] })],
    ['/anthropic/v1/messages', message({ tools: [{ type: 'thing_of_tomorrow_20270101', name: 'x' }] })],
    ['/anthropic/v1/messages', message({ inference_geo: 'us' })],
    ['/openai/v1/chat/completions', { model: 'gpt-4o', messages: [ask], modalities: ['text', 'audio'] }],
    ['/openai/v1/responses', { model: 'gpt-4o', input: 'x', prompt: { id: 'pmpt_1' } }],
    [gemini, { contents: [], generationConfig: { responseModalities: ['IMAGE'] } }],
    [gemini, { contents: [], generationConfig: { maxOutputTokens: 1 }, generation_config: {} }],
    [gemini, { contents: [], tools: [{ googleSearch: {} }] }],
  ]
  for (const [path, body] of refused) {
    const answer = await post(path, body)
    expect([body, answer.status, await answer.json()]).toMatchObject([
      body,
      422,
      { error: { code: 'not_on_shared_key' } },
    ])
  }
  expect(counts()).toEqual([])
  const tools = [
    { name: 'exec', input_schema: {} },
    { type: 'bash_20250124', name: 'bash' },
  ]
  expect((await post('/anthropic/v1/messages', message({ tools }))).status).toBe(200)
})

test('B4: a caller who leaves while a model thinks unseen is charged for that time', () => {
  const metering = createMetering({ path: ':memory:' })
  const ledger = openLedger(':memory:')
  const route = providerRoutes({ ANTHROPIC_BASE_URL: '', OPENAI_BASE_URL: '', GEMINI_BASE_URL: '' }).get(
    'openai',
  )
  if (!route) throw new Error('unreachable')
  const caller = { assistantId: 'a', key: { value: 'k', isOwn: false } }
  const bytes = Buffer.from(JSON.stringify({ model: 'gpt-6-luna', input: 'x', stream: true }))
  const { asked, body } = readAsked('responses', undefined, bytes, false)
  let nowMs = 0
  const output = (live: (account: ReturnType<typeof openAccount>) => void) => {
    const admitted = admit({ ledger, caller, route, asked, body, bytes, bound: undefined, now: Date.now })
    const failed = (error: unknown) => expect.unreachable(String(error))
    const account = openAccount({ metering, route, asked, admitted, failed, now: () => nowMs })
    const before = sumOf(ledger)
    account.sent()
    live(account)
    return sumOf(ledger) - before
  }
  // Twenty seconds of nothing, then some words: a hundred tokens a second, and a third of the characters.
  expect(
    output((account) => {
      nowMs += 20_000
      const reader = createUsageReader('openai', 'responses', 'text/event-stream')
      reader.push(Buffer.from(event({ delta: 'x'.repeat(300) })))
      account.came(reader)
      nowMs += 1_000
      account.count(reader)
      account.count(reader)
    }),
  ).toBe(2_100)
  expect(
    output((account) => {
      nowMs += 10_000
      account.count()
    }),
  ).toBe(1_000)
  expect(output((account) => account.free())).toBe(0)
})
const sumOf = (ledger: ReturnType<typeof openLedger>) =>
  ledger.unstored().reduce((sum, { outputTokens }) => sum + Number(outputTokens), 0)

test('S3: nothing of a caller’s head chooses another account, another method, or what an answer leaves out', async () => {
  const seen: { url: string | undefined; headers: object }[] = []
  const { url } = await startMetered((request, response) => {
    seen.push({ url: request.url, headers: request.headers })
    const ours = { 'openai-organization': 'org-ours', 'set-cookie': 'a=1', 'anthropic-organization-id': 'o' }
    response.writeHead(200, { ...ours, 'request-id': 'kept' }).end('{}')
  })
  const post = (path: string, headers: Record<string, string>) =>
    fetch(url + path, { method: 'POST', headers, body: JSON.stringify({ contents: [] }) })
  const answer = await post(
    '/google/v1beta/models/gemini-3.5-flash:generateContent?key=vk&fields=candidates&%24alt=proto&alt=sse&access_token=t',
    {
      'x-goog-fieldmask': 'candidates',
      'x-goog-user-project': 'p',
      'x-http-method-override': 'DELETE',
      'openai-organization': 'org-theirs',
      'idempotency-key': 'of-somebody',
      'x-forwarded-for': '1.1.1.1',
      'x-stainless-lang': 'js',
      'anthropic-beta': 'b',
    },
  )
  expect(answer.status).toBe(200)
  expect(seen[0]?.url).toBe('/gemini/v1beta/models/gemini-3.5-flash:generateContent?alt=sse')
  expect(Object.keys(seen[0]?.headers ?? {}).sort()).toEqual(
    [
      'accept',
      'accept-encoding',
      'accept-language',
      'anthropic-beta',
      'connection',
      'content-length',
      'content-type',
      'host',
      'user-agent',
      'x-goog-api-key',
      'x-stainless-lang',
    ].sort(),
  )
  expect(answer.headers.get('request-id')).toBe('kept')
  for (const name of ['openai-organization', 'anthropic-organization-id', 'set-cookie'])
    expect([name, answer.headers.get(name)]).toEqual([name, null])
})

test('S3: through an assistant’s door comes that assistant alone, with its own key', async () => {
  const { gateway } = await startMetered((_, response) => response.end('{}'))
  const place = { address: '127.0.0.1', port: 0, caller: '127.0.0.1', assistantId: 'a' }
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  const door = await gateway.openDoor({ ...place, port })
  const call = (key: string) =>
    fetch(`${door.url}/openai/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'gpt-4o', input: 'x' }),
    })
  expect((await call('vk')).status).toBe(200)
  const stranger = await call('vk-own')
  expect([stranger.status, await stranger.json()]).toMatchObject([
    422,
    { error: { code: 'unknown_virtual_key' } },
  ])
  await door.close()
  const closed = await gateway.openDoor({ ...place, port, caller: '127.0.0.9' })
  await expect(call('vk')).rejects.toThrow()
  await closed.close()
})

test('S3: a request in two frames, or a body where none belongs, is nobody else’s request', async () => {
  const seen: (string | undefined)[] = []
  const { url } = await startMetered((request, response) => {
    seen.push(request.url)
    response.end('{}')
  })
  const raw = async (bytes: string) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write(bytes)
    return text(socket)
  }
  const head = 'POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: vk\r\nconnection: close\r\n'
  const body = JSON.stringify(message())
  const smuggled = 'GET /brave/res/v1/web/search?q=smuggled HTTP/1.1\r\nhost: x\r\n\r\n'
  for (const framing of [
    `content-length: ${body.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    `content-length: 3\r\ncontent-length: 9\r\n\r\n${body}`,
    `transfer-encoding: chunked, identity\r\n\r\n${body}`,
    `x-folded: a\r\n b\r\n: empty\r\n\r\n`,
  ])
    expect([framing, (await raw(head + framing)).slice(0, 12)]).toEqual([framing, 'HTTP/1.1 400'])
  expect(seen).toEqual([])
  // A search has no body: none goes along, with or without a frame.
  const search = 'GET /brave/res/v1/web/search?q=otters HTTP/1.1\r\nhost: x\r\nx-subscription-token: vk\r\n'
  await raw(
    `${search}connection: close\r\ntransfer-encoding: chunked\r\n\r\n${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
  )
  await raw(`${search}connection: close\r\ncontent-length: ${smuggled.length}\r\n\r\n${smuggled}`)
  const otters = '/brave/res/v1/web/search?q=otters'
  expect(seen).toEqual([otters, otters])
})

test('S3, S8: a redirect is not followed or told, and a failure that quotes the key is told in our words', async () => {
  const { post, counts } = await startMetered((request, response) => {
    if (request.url?.includes('openai')) {
      const key = request.headers.authorization
      return response.writeHead(400).end(JSON.stringify({ error: { message: `bad header ${key}` } }))
    }
    return response.writeHead(307, { location: 'http://evil.example/' }).end()
  })
  const moved = await post('/anthropic/v1/messages', message())
  expect([moved.status, moved.headers.get('location')]).toEqual([422, null])
  expect(await moved.json()).toMatchObject({ error: { code: 'provider_unreachable' } })
  const quoted = await post('/openai/v1/responses', { model: 'gpt-4o', input: 'x' })
  const words = await quoted.text()
  expect([quoted.status, JSON.parse(words)]).toMatchObject([422, { error: { code: 'request_refused' } }])
  expect(words).not.toContain('sk-')
  expect(counts()).toEqual([])
})

test('F8: a provider that hangs ends a call after a bounded time, by code; a whole answer is paid by the time it took', async () => {
  const hangs = await startMetered(() => {}, { streamedMs: 30, wholeMs: 60 })
  for (const stream of [true, false]) {
    const answer = await hangs.post('/anthropic/v1/messages', message({ stream }))
    expect([stream, answer.status, await answer.json()]).toMatchObject([
      stream,
      422,
      { error: { code: 'provider_unreachable' } },
    ])
  }
  expect(hangs.counts()).toMatchObject([{ calls: 1, estimated: true, output: expect.any(Number) }])
  expect(hangs.counts()[0]?.output).toBeGreaterThan(5)
  // Only the silence behind the first word is bounded here: on a busy machine that word may take its time.
  const { post, metering } = await startMetered(
    (_, response) => {
      response.writeHead(200, streamed)
      response.write(
        event({ type: 'message_start', message: { usage: { input_tokens: 7, output_tokens: 1 } } }),
      )
    },
    { stalledMs: 60 },
  )
  const begun = await post('/anthropic/v1/messages', message({ stream: true }))
  await expect(begun.text()).rejects.toThrow()
  await vi.waitFor(() => expect(metering.lastFailure('a', 0)).toMatchObject({ code: 'provider_stalled' }))
  expect(metering.ledger.isHolding('a')).toBe(false)
})

test('F8: what one assistant has open, and sends in a short time, is bounded', () => {
  let nowMs = 0
  const open = createOpenCalls(() => nowMs)
  const refused = expect.objectContaining({ code: 'too_many_calls', status: 429 })
  const attempt = (work: () => void) => {
    try {
      work()
    } catch (error) {
      return error
    }
    return 'ok'
  }
  for (let call = 0; call < 300; call += 1) open.enter('a').leave()
  expect(attempt(() => open.enter('a'))).toEqual(refused)
  expect(attempt(() => open.enter('b').leave())).toBe('ok')
  nowMs += 1_000
  for (let call = 0; call < 5; call += 1) open.enter('a').leave()
  expect(attempt(() => open.enter('a'))).toEqual(refused)

  const mebibytes = (count: number) => count * 1024 * 1024
  const [one, two] = [open.enter('c'), open.enter('c')]
  one.grow(mebibytes(32))
  two.grow(mebibytes(32))
  expect(attempt(() => two.grow(1))).toEqual(refused)
  one.leave()
  one.leave()
  expect(attempt(() => two.grow(mebibytes(32)))).toBe('ok')
  two.leave()
  const three = open.enter('c')
  three.grow(mebibytes(32))
  expect(attempt(() => three.grow(1))).toEqual(refused)
  nowMs += 1_000
  expect(attempt(() => three.grow(mebibytes(4)))).toBe('ok')
})

test('F8: a request of millions of parts is refused before it is taken apart', async () => {
  const { post } = await startMetered((_, response) => response.end('{}'))
  const answer = await post(
    '/anthropic/v1/messages',
    `{"model":"${sonnet}","x":[${'[],'.repeat(2_100_000)}[]]}`,
  )
  expect([answer.status, await answer.json()]).toMatchObject([413, { error: { code: 'request_too_large' } }])
})

test('F8: a huge request that is refused, or counted as less, does not use up the others’ part of the rate', async () => {
  const { post, metering } = await startMetered((_, response, body) => {
    if (body.includes('huge')) return response.writeHead(400).end('{}')
    const usage = { input_tokens: 100_000, cache_read_input_tokens: 0, output_tokens: 1 }
    return response.end(JSON.stringify({ type: 'message', usage }))
  })
  const provider = Provider.PROVIDER_ANTHROPIC
  metering.rates.set([{ provider, tokensPerMinute: 50_000 }])
  const huge = message({ system: `huge ${'word '.repeat(100_000)}` })
  expect((await post('/anthropic/v1/messages', huge)).status).toBe(400)
  // The whole rate is there again.
  expect(await metering.rates.take(provider, 'b', 49_000, AbortSignal.timeout(1_000))).toBe(true)
  metering.rates.giveBack(provider, 49_000)
  // What was more than guessed is owed.
  await (await post('/anthropic/v1/messages', message())).text()
  expect(await metering.rates.take(provider, 'b', 10_000, AbortSignal.timeout(20))).toBe(false)
  // Counting is free, and has a rate of its own at the provider.
  expect((await post('/anthropic/v1/messages/count_tokens', message())).status).toBe(200)
})
