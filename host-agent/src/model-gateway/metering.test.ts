import { expect, test, vi } from 'vitest'
import { startMetered } from './fixtures.ts'

const sonnet = 'claude-sonnet-4-5-20250929'
const ask = { role: 'user', content: 'hello there' }
const toGoogle = { contents: [{ role: 'user', parts: [{ text: 'hello there' }] }] }
const calls: [string, object][] = [
  ['/anthropic/v1/messages', { model: sonnet, max_tokens: 100, messages: [ask] }],
  ['/anthropic/v1/messages', { model: sonnet, max_tokens: 100, stream: true, messages: [ask] }],
  ['/openai/v1/responses', { model: 'gpt-4o', input: 'hello there' }],
  ['/openai/v1/responses', { model: 'gpt-4o', stream: true, input: 'hello there' }],
  ['/openai/v1/chat/completions', { model: 'gpt-4o', messages: [ask] }],
  [
    '/openai/v1/chat/completions',
    { model: 'gpt-4o', stream: true, stream_options: { include_usage: true }, messages: [ask] },
  ],
  ['/google/v1beta/models/gemini-2.0-flash:generateContent', toGoogle],
  ['/google/v1beta/models/gemini-2.0-flash:streamGenerateContent', toGoogle],
  ['/google/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse', toGoogle],
]

test('B4: what is counted is what each provider says it served, streamed or not, in every format', async () => {
  const { base, post, counts } = await startMetered()
  for (const [path, body] of calls) {
    const response = await post(path, body)
    expect([path, response.status]).toEqual([path, 200])
    expect(await response.text()).toContain('there')
  }
  const requests = (await (await fetch(`${base}/sim/models/requests`)).json()) as {
    model: string
    usage: { inputTokens: number; outputTokens: number }
  }[]
  expect(requests).toHaveLength(calls.length)
  for (const model of [sonnet, 'gpt-4o', 'gemini-2.0-flash']) {
    const served = requests.filter((request) => request.model === model)
    const sum = (field: 'inputTokens' | 'outputTokens') =>
      served.reduce((total, { usage }) => total + usage[field], 0)
    expect(counts().filter((count) => count.model === model)).toMatchObject([
      { calls: served.length, input: sum('inputTokens'), output: sum('outputTokens'), estimated: false },
    ])
  }
})

test('B4: cached input and reasoning are counted apart and priced as such', async () => {
  const usage = {
    input_tokens: 1000,
    cache_read_input_tokens: 100_000,
    cache_creation_input_tokens: 2000,
    output_tokens: 1,
  }
  const events = [
    { type: 'message_start', message: { usage } },
    { type: 'content_block_delta', delta: { type: 'text_delta', text: 'hi' } },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 500 } },
  ]
  const responses = {
    usage: {
      input_tokens: 1000,
      input_tokens_details: { cached_tokens: 400 },
      output_tokens: 300,
      output_tokens_details: { reasoning_tokens: 200 },
    },
  }
  const { post, counts } = await startMetered((request, response) => {
    if (request.url?.includes('responses')) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(responses))
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const said = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
    // Cut anywhere: no event comes in one piece.
    for (const byte of said.match(/[\s\S]{1,7}/g) ?? []) response.write(byte)
    response.end()
  })
  const asked = { model: sonnet, max_tokens: 100, stream: true, messages: [ask] }
  await (await post('/anthropic/v1/messages', asked)).text()
  await (await post('/openai/v1/responses', { model: 'gpt-5-mini', input: 'x' })).text()
  const [claude, gpt] = counts()
  // $3, $0.30, $3.75 and $15 a million: fresh, cached, written, answered.
  const dollars = 1000 * 3 + 100_000 * 0.3 + 2000 * 3.75 + 500 * 15
  expect(claude).toMatchObject({ input: 103_000, cached: 100_000, output: 500, cost: Math.ceil(dollars) })
  expect(gpt).toMatchObject({ input: 1000, cached: 400, output: 300, reasoning: 200 })
})

test('B4: a stream that its caller leaves counts what was said, and is marked as an estimate', async () => {
  const { post, counts } = await startMetered((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const say = (event: object) => response.write(`data: ${JSON.stringify(event)}\n\n`)
    say({ type: 'message_start', message: { usage: { input_tokens: 70, output_tokens: 1 } } })
    say({ type: 'content_block_delta', delta: { type: 'text_delta', text: 'x'.repeat(300) } })
  })
  const left = new AbortController()
  const asked = { model: sonnet, max_tokens: 1000, stream: true, messages: [ask] }
  const response = await post('/anthropic/v1/messages', asked, 'vk', left.signal)
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  for (let seen = ''; !seen.includes('xxx'); ) seen += (await reader?.read())?.value ?? ''
  left.abort()
  await vi.waitFor(() => expect(counts()).toMatchObject([{ estimated: true, input: 70, output: 100 }]))
})

test('B4: an unknown model is refused on the shared key, and counted without a price on one’s own', async () => {
  const { post, counts, metering } = await startMetered((_, response) =>
    response.end(JSON.stringify({ usage: { input_tokens: 5, output_tokens: 7 } })),
  )
  const asked = { model: 'model-of-tomorrow', input: 'x' }
  const refused = await post('/openai/v1/responses', asked)
  expect([refused.status, await refused.json()]).toMatchObject([
    422,
    { error: { code: 'not_on_shared_key' } },
  ])
  expect((await post('/openai/v1/responses', asked, 'vk-own')).status).toBe(200)
  await vi.waitFor(() =>
    expect(counts()).toMatchObject([{ own: true, input: 5, output: 7, cost: 0, calls: 1 }]),
  )
  expect(metering.ledger.unstored()[0]?.priceVersion).toBe('')
  for (const body of [
    { model: 'gpt-4o', input: 'x', tools: [{ type: 'web_search' }] },
    { model: 'gpt-4o', input: 'x', background: true },
    { model: 'gpt-4o', input: 'x', service_tier: 'priority' },
  ]) {
    const answer = await post('/openai/v1/responses', body)
    expect([answer.status, await answer.json()]).toMatchObject([
      422,
      { error: { code: 'not_on_shared_key' } },
    ])
  }
})

const usageOf = (output: number) =>
  JSON.stringify({ type: 'message', usage: { input_tokens: 10, output_tokens: output } })

test('B5: calls at once spend no more than the allowance, each held back at its worst', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let served = 0
  const { post, metering, counts } = await startMetered(async (_, response, body) => {
    served += 1
    await released
    response.end(usageOf(JSON.parse(body).max_tokens))
  })
  // Each worst case: 2,000 tokens answered at $15 a million, and some input.
  metering.ledger.allow('a', 100_000, 0)
  const asked = { model: sonnet, max_tokens: 2_000, messages: [ask] }
  const all = Promise.all(Array.from({ length: 6 }, () => post('/anthropic/v1/messages', asked)))
  await vi.waitFor(() => expect(served).toBe(3))
  release()
  const answers = await all
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(3)
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    expect([answer.status, await answer.json()]).toMatchObject([422, { error: { code: 'out_of_credit' } }])
  }
  await vi.waitFor(() => expect(counts()).toMatchObject([{ calls: 3 }]))
  expect(metering.ledger.spendable('a')).toBeGreaterThanOrEqual(0)
  expect(metering.lastFailure('a', 0)).toMatchObject({ code: 'out_of_credit' })
})

test('B5: an answer is bounded to what is left; one’s own key is not bounded at all', async () => {
  const bodies: { max_tokens: number }[] = []
  const { post, metering } = await startMetered((_, response, body) => {
    bodies.push(JSON.parse(body))
    response.end(usageOf(1))
  })
  metering.ledger.allow('a', 60_000, 0)
  const asked = { model: sonnet, max_tokens: 64_000, messages: [ask] }
  expect((await post('/anthropic/v1/messages', asked)).status).toBe(200)
  expect(bodies[0]?.max_tokens).toBeGreaterThan(3_500)
  expect(bodies[0]?.max_tokens).toBeLessThan(4_001)
  metering.ledger.allow('b', 0, 0)
  expect((await post('/openai/v1/responses', { model: 'gpt-4o', input: 'x' }, 'vk-own')).status).toBe(200)
})

test('a provider’s failure is told apart by code, and a bad key of one’s own is reported', async () => {
  const answers: [string, number, string, string][] = [
    [
      '/anthropic/v1/messages',
      400,
      '{"error":{"message":"Your credit balance is too low"}}',
      'platform_key_refused',
    ],
    ['/anthropic/v1/messages', 401, '{}', 'platform_key_refused'],
    [
      '/google/v1beta/models/gemini-2.0-flash:generateContent',
      400,
      '{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}',
      'platform_key_refused',
    ],
    ['/openai/v1/responses', 429, '{"error":{"code":"insufficient_quota"}}', 'out_of_quota'],
    ['/openai/v1/responses', 404, '{}', 'model_unavailable'],
    ['/openai/v1/responses', 401, '{}', 'key_invalid'],
  ]
  const refused: string[] = []
  for (const [path, status, words, code] of answers) {
    const { post, metering } = await startMetered((_, response) => response.writeHead(status).end(words))
    metering.connect({ report: () => {}, keyRefused: ({ assistantId }) => refused.push(assistantId) })
    const answer = await post(
      path,
      { model: path.includes('openai') ? 'gpt-4o' : sonnet, ...toGoogle },
      path.includes('openai') ? 'vk-own' : 'vk',
    )
    expect([words, answer.status, await answer.json()]).toMatchObject([words, 422, { error: { code } }])
    expect(metering.ledger.unstored()).toEqual([])
  }
  expect(refused).toEqual(['b'])
})

test('a 429 and a 503 are tried again before the first byte, as long as the provider asks; never after it', async () => {
  let tries = 0
  const { post, counts } = await startMetered((_, response) => {
    tries += 1
    if (tries === 1) return response.writeHead(429, { 'retry-after': '0' }).end('{}')
    if (tries === 2) return response.destroy()
    if (tries === 3) return response.end(usageOf(3))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(
      `data: ${JSON.stringify({ type: 'message_start', message: { usage: { input_tokens: 9 } } })}\n\n`,
    )
    setImmediate(() => response.destroy())
  })
  const asked = { model: sonnet, max_tokens: 10, stream: true, messages: [ask] }
  expect((await post('/anthropic/v1/messages', asked)).status).toBe(200)
  expect(tries).toBe(3)
  const cut = await post('/anthropic/v1/messages', asked)
  await expect(cut.text()).rejects.toThrow()
  expect(tries).toBe(4)
  await vi.waitFor(() =>
    expect(
      counts()
        .map(({ estimated }) => estimated)
        .sort(),
    ).toEqual([false, true]),
  )
})

test('what is no event and what never ends is passed on, bounded, and counted by estimate', async () => {
  const { post, counts } = await startMetered((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end('data: {"type": "mess\n\ndata: [1,\n\n\u0000\u0000: :\ndata: null\n\nevent: \n\n')
  })
  const asked = { model: sonnet, max_tokens: 10, stream: true, messages: [ask] }
  const answer = await post('/anthropic/v1/messages', asked)
  expect(await answer.text()).toContain('"mess')
  await vi.waitFor(() => expect(counts()).toMatchObject([{ estimated: true, calls: 1 }]))
  for (const body of ['', '[]', '{"model":5}', 'nope', '{"max_tokens":1}']) {
    expect([body, (await post('/anthropic/v1/messages', body)).status]).toEqual([body, 400])
  }
})

test('F8: an assistant has eight calls at once and no more, and others go on', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let served = 0
  const { post, keys } = await startMetered(async (_, response) => {
    served += 1
    await released
    response.end('{}')
  })
  keys.setAssistant('c', 'vk-c', [])
  const asked = { model: sonnet, max_tokens: 10, messages: [ask] }
  const open = Array.from({ length: 8 }, () => post('/anthropic/v1/messages', asked))
  await vi.waitFor(() => expect(served).toBe(8))
  const ninth = await post('/anthropic/v1/messages', asked)
  expect([ninth.status, await ninth.json()]).toMatchObject([429, { error: { code: 'too_many_calls' } }])
  const other = post('/anthropic/v1/messages', asked, 'vk-c')
  await vi.waitFor(() => expect(served).toBe(9))
  release()
  for (const answer of await Promise.all([...open, other])) expect(answer.status).toBe(200)
})

test('B4: a web search leaves with the shared key, costs what a search costs, and is bounded like a call', async () => {
  const { url, counts, metering } = await startMetered()
  const search = () =>
    fetch(`${url}/brave/res/v1/web/search?q=otters`, { headers: { 'x-subscription-token': 'vk' } })
  const answer = await search()
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('otters')])
  expect(counts()).toMatchObject([{ model: 'web-search', calls: 1, cost: 5_000, estimated: false }])
  metering.ledger.allow('a', 4_999, 5_000)
  expect((await search()).status).toBe(422)
})
