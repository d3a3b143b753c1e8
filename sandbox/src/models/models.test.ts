import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Sandbox, startSandbox } from '../index.ts'
import { get, post } from '../test-support.ts'
import type { ModelRequest } from './brain.ts'

let sandbox: Sandbox
let anthropic: Anthropic
let openai: OpenAI
let gemini: GoogleGenAI
const text = 'The quick brown fox jumps over the lazy dog, twice.'
const messages = [{ role: 'user' as const, content: text }]

beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  anthropic = new Anthropic({ apiKey: 'a-key', baseURL: `${sandbox.url}/anthropic`, maxRetries: 0 })
  openai = new OpenAI({ apiKey: 'o-key', baseURL: `${sandbox.url}/openai/v1`, maxRetries: 0 })
  gemini = new GoogleGenAI({ apiKey: 'g-key', httpOptions: { baseUrl: `${sandbox.url}/gemini` } })
})
beforeEach(() => post(`${sandbox.url}/sim/reset`, {}))
afterAll(() => sandbox.stop())

const script = (body: object) => post(`${sandbox.url}/sim/models/script`, body)
const ask = () => anthropic.messages.create({ model: 'claude', max_tokens: 100, messages })

describe('what the real APIs refuse', () => {
  test.each([
    ['a model of nobody', { model: 'gpt-4o', max_tokens: 1, messages }, 404],
    [
      'empty text',
      { model: 'claude', max_tokens: 1, messages: [{ role: 'user' as const, content: '' }] },
      400,
    ],
  ])('%s', async (_, body, status) => {
    await expect(anthropic.messages.create(body)).rejects.toMatchObject({ status })
  })

  test('a virtual key of a host', async () => {
    const leaked = new Anthropic({ apiKey: 'yc-virtual', baseURL: `${sandbox.url}/anthropic`, maxRetries: 0 })
    const asked = leaked.messages.create({ model: 'claude', max_tokens: 1, messages })
    await expect(asked).rejects.toMatchObject({ status: 401 })
  })

  test('a stream breaks off, or ends in an error event, as scripted', async () => {
    const stream = () => anthropic.messages.stream({ model: 'claude', max_tokens: 100, messages }).finalText()
    await script({ reply: 'never whole', stream: { cutAfter: 3 } })
    await expect(stream()).rejects.toThrow()
    await script({ reply: 'never whole', stream: { errorAfter: 3, chunkDelayMs: 1 } })
    await expect(stream()).rejects.toThrow(/Overloaded/)
  })
})

describe('echo through the unchanged SDKs', () => {
  test('Anthropic', async () => {
    expect((await ask()).content).toEqual([{ type: 'text', text }])
    const stream = anthropic.messages.stream({ model: 'claude', max_tokens: 100, messages })
    expect(await stream.finalText()).toBe(text)
    expect((await stream.finalMessage()).usage.output_tokens).toBeGreaterThan(1)
    const counted = await anthropic.messages.countTokens({ model: 'claude', messages })
    expect(counted.input_tokens).toBeGreaterThan(0)
  })

  test('OpenAI chat completions', async () => {
    const answer = await openai.chat.completions.create({ model: 'gpt-4o', messages })
    expect(answer.choices[0]?.message.content).toBe(text)
    const stream_options = { include_usage: true }
    const stream = await openai.chat.completions.create({
      model: 'gpt-4o',
      messages,
      stream: true,
      stream_options,
    })
    let streamed = ''
    let total: number | undefined
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.delta.content ?? ''
      total = chunk.usage?.total_tokens ?? total
    }
    expect(streamed).toBe(text)
    expect(total).toBeGreaterThan(0)
  })

  test('OpenAI responses', async () => {
    expect((await openai.responses.create({ model: 'gpt-4o', input: text })).output_text).toBe(text)
    const stream = openai.responses.stream({ model: 'gpt-4o', input: messages })
    expect((await stream.finalResponse()).output_text).toBe(text)
  })

  test('Gemini', async () => {
    const answer = await gemini.models.generateContent({ model: 'gemini-2.0-flash', contents: text })
    expect(answer.text).toBe(text)
    let streamed = ''
    const stream = await gemini.models.generateContentStream({ model: 'gemini-2.0-flash', contents: text })
    for await (const chunk of stream) streamed += chunk.text ?? ''
    expect(streamed).toBe(text)
  })
})

describe('scripts', () => {
  test('the newest that matches wins, until reset', async () => {
    await script({ match: 'QUICK', reply: 'old' })
    await script({ match: 'quick', reply: 'new', usage: { inputTokens: 11, outputTokens: 7 } })
    await script({ match: 'absent', reply: 'never' })
    await script({ provider: 'openai', reply: 'elsewhere' })
    const answer = await ask()
    expect(answer.content).toEqual([{ type: 'text', text: 'new' }])
    expect(answer.usage).toMatchObject({ input_tokens: 11, output_tokens: 7 })
    await post(`${sandbox.url}/sim/reset`, {})
    expect((await ask()).content).toEqual([{ type: 'text', text }])
  })

  test('errors come in the provider’s own shape', async () => {
    await script({ reply: '', error: { status: 529, message: 'Overloaded' } })
    const error = await ask().catch((cause: unknown) => cause)
    expect(error).toMatchObject({
      status: 529,
      error: { error: { type: 'overloaded_error', message: 'Overloaded' } },
    })
    await expect(openai.responses.create({ model: 'gpt-4o', input: 'x' })).rejects.toMatchObject({
      status: 529,
    })
    await expect(
      gemini.models.generateContent({ model: 'gemini-2.0-flash', contents: 'x' }),
    ).rejects.toMatchObject({
      status: 529,
    })
  })

  test('delay holds the answer back', async () => {
    await script({ reply: 'late', delayMs: 60 })
    const before = performance.now()
    await ask()
    expect(performance.now() - before).toBeGreaterThan(55)
  })

  test('a client that goes away during the delay disturbs nobody', async () => {
    await script({ match: 'slow', reply: 'late', delayMs: 60_000 })
    const stop = new AbortController()
    const slow = { model: 'claude', max_tokens: 100, messages: [{ role: 'user' as const, content: 'slow' }] }
    const asked = anthropic.messages.create(slow, { signal: stop.signal })
    const requests = () => get<ModelRequest[]>(`${sandbox.url}/sim/models/requests`)
    await Promise.all([
      expect(asked).rejects.toThrow('aborted'),
      vi.waitUntil(async () => (await requests()).length === 1).then(() => stop.abort()),
    ])
    expect((await ask()).content).toEqual([{ type: 'text', text }])
    expect((await requests())[0]?.usage).toBeNull()
  })

  test('a script that answers so many times makes way for the one before it', async () => {
    await script({ reply: 'from now on' })
    await script({ reply: 'just once', times: 1 })
    const ask = () => anthropic.messages.create({ model: 'claude', max_tokens: 100, messages })
    expect((await ask()).content).toMatchObject([{ text: 'just once' }])
    expect((await ask()).content).toMatchObject([{ text: 'from now on' }])
  })

  test('tools are called once, and the reply follows their results', async () => {
    await script({ reply: 'Sunny.', toolCalls: [{ name: 'weather', arguments: { city: 'Rome' } }] })
    const stream = anthropic.messages.stream({ model: 'claude', max_tokens: 100, messages })
    const { content, stop_reason } = await stream.finalMessage()
    expect(stop_reason).toBe('tool_use')
    expect(content).toMatchObject([{ type: 'tool_use', name: 'weather', input: { city: 'Rome' } }])
    const id = content[0]?.type === 'tool_use' ? content[0].id : ''
    const results = { type: 'tool_result' as const, tool_use_id: id, content: '30 °C' }
    const answer = await anthropic.messages.create({
      model: 'claude',
      max_tokens: 100,
      messages: [...messages, { role: 'assistant', content }, { role: 'user', content: [results] }],
    })
    expect(answer.content).toEqual([{ type: 'text', text: 'Sunny.' }])
  })
})

test('every request is remembered with key, model and usage; a missing key is refused', async () => {
  await ask()
  await gemini.models.generateContent({ model: 'gemini-2.0-flash', contents: text })
  const requests = await get<ModelRequest[]>(`${sandbox.url}/sim/models/requests`)
  expect(requests).toMatchObject([
    { provider: 'anthropic', model: 'claude', path: '/anthropic/v1/messages', key: 'a-key' },
    { provider: 'gemini', model: 'gemini-2.0-flash', key: 'g-key' },
  ])
  expect(requests[0]?.usage?.inputTokens).toBeGreaterThan(0)
  const refused = await post(`${sandbox.url}/openai/v1/chat/completions`, { model: 'm', messages })
  expect(refused).toMatchObject({ error: { code: 'invalid_api_key' } })
})

test('a fault touches only its provider', async () => {
  await post(`${sandbox.url}/sim/faults`, { provider: 'anthropic', status: 503 })
  await expect(ask()).rejects.toMatchObject({ status: 503 })
  await openai.responses.create({ model: 'gpt-4o', input: 'x' })
})
