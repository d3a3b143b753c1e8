import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../app.ts'
import { type Deps, openDeps } from '../../deps.ts'
import { readEnv } from '../../env.ts'
import { ensureUser } from '../../services/account/ensure-user.ts'
import { createAssistant } from '../../services/assistant/create-assistant.ts'

/** A provider that answers with the status that the key names, and breaks off for any other. */
const asked: { url: string | undefined; headers: IncomingHttpHeaders }[] = []
const provider = createServer((request, response) => {
  asked.push({ url: request.url, headers: request.headers })
  const key = [request.headers['x-api-key'], request.headers['x-goog-api-key'], request.headers.authorization]
  const status = /status-(\d{3})/.exec(key.join(' '))?.[1]
  if (status === undefined) return response.destroy()
  response.writeHead(Number(status)).end('{}')
})
let database: Awaited<ReturnType<typeof createTestDatabase>>
let deps: Deps
let app: ReturnType<typeof createApp>
beforeAll(async () => {
  provider.listen(0, '127.0.0.1')
  await once(provider, 'listening')
  const url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
  database = await createTestDatabase()
  const baseUrls = { ANTHROPIC_BASE_URL: url, OPENAI_BASE_URL: `${url}/v1`, GEMINI_BASE_URL: url }
  deps = await openDeps(readEnv({ NODE_ENV: 'test', ...baseUrls }), database.url, pino({ enabled: false }))
  app = createApp(deps)
})
afterAll(async () => {
  await deps.close()
  await database.close()
  provider.close()
})

async function signUp() {
  const email = `${crypto.randomUUID()}@example.test`
  const { id } = await deps.db.$transaction((tx) => ensureUser(tx, { email, name: '' }))
  await deps.db.subscription.create({ data: { userId: id, status: 'ACTIVE' } })
  const headers = {
    authorization: `Bearer ${await deps.tokens.issue(id, 60)}`,
    'content-type': 'application/json',
  }
  const call = async (method: string, path: string, body?: unknown) => {
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const response = await app.request(`/api/v1${path}`, init)
    const text = await response.text()
    return { status: response.status, text, body: JSON.parse(text) }
  }
  return { id, call }
}

test('S7: a key is asked about at its provider, sealed, applied live, and never shown', async () => {
  const { id, call } = await signUp()
  await createAssistant({ ctx: deps.ctx, vault: deps.vault, input: { userId: id } })
  const key = 'sk-status-200-secret'
  for (const [provider, url] of [
    ['ANTHROPIC', '/v1/models?limit=1'],
    ['OPENAI', '/v1/models'],
    ['GOOGLE', '/v1beta/models?pageSize=1'],
  ]) {
    const { status, text } = await call('POST', '/api-keys', { provider, key })
    expect([status, asked.at(-1)?.url]).toEqual([201, url])
    expect(text).not.toContain('secret')
  }
  const listed = await call('GET', '/api-keys')
  expect(listed.body.keys.map((one: { provider: string }) => one.provider)).toEqual([
    'ANTHROPIC',
    'OPENAI',
    'GOOGLE',
  ])
  expect(listed.text).not.toContain('secret')
  const [row] = await deps.db.apiKey.findMany({ where: { userId: id } })
  expect(row?.encryptedKey).not.toContain('secret')
  // Creation, then one change a key.
  expect((await deps.db.assistant.findUniqueOrThrow({ where: { userId: id } })).desiredGeneration).toBe(4)
  expect((await call('DELETE', '/api-keys/OPENAI')).body).toEqual({ fallsBackTo: 'SHARED' })
  expect(await call('DELETE', '/api-keys/OPENAI')).toMatchObject({ status: 404, body: { code: 'no_key' } })
})

test('O3: a key that its provider refuses, or cannot be asked about, is not stored', async () => {
  const { id, call } = await signUp()
  for (const [provider, key, status, code] of [
    ['OPENAI', 'sk-status-401', 400, 'key_invalid'],
    ['ANTHROPIC', 'sk-status-403', 400, 'key_invalid'],
    ['GOOGLE', 'AI-status-400', 400, 'key_invalid'],
    ['ANTHROPIC', 'sk-status-529', 503, 'provider_unavailable'],
    ['ANTHROPIC', 'sk-breaks-off', 503, 'provider_unavailable'],
    ['ANTHROPIC', 'line\nbreak-key', 400, 'invalid_input'],
    ['ANTHROPIC', 'short', 400, 'invalid_input'],
    ['BRAVE', 'sk-status-200', 400, 'invalid_input'],
    ['MISTRAL', 'sk-status-200', 400, 'invalid_input'],
  ] as const) {
    const answer = await call('POST', '/api-keys', { provider, key })
    expect([key, answer.status, answer.body.code]).toEqual([key, status, code])
  }
  expect(await deps.db.apiKey.count({ where: { userId: id } })).toBe(0)
})

test('I9, B5: keys, credit and cap are each person’s own', async () => {
  const [a, b] = [await signUp(), await signUp()]
  await a.call('POST', '/api-keys', { provider: 'OPENAI', key: 'sk-status-200' })
  expect((await b.call('GET', '/api-keys')).body).toEqual({ keys: [] })
  expect((await b.call('DELETE', '/api-keys/OPENAI')).status).toBe(404)
  expect((await a.call('PUT', '/credits/cap', { monthlyMicros: 5 })).body.cap.monthlyMicros).toBe(5)
  expect((await b.call('GET', '/credits')).body).toMatchObject({
    remainingMicros: 0,
    entries: [],
    cap: { monthlyMicros: null, spentMicros: 0 },
  })
  for (const monthlyMicros of [-1, 1.5, '5', undefined]) {
    expect((await a.call('PUT', '/credits/cap', { monthlyMicros })).status).toBe(400)
  }
  expect((await a.call('POST', '/credits/top-up', { amountCents: 501 })).status).toBe(400)
  expect((await a.call('POST', '/credits/top-up', { amountCents: 500 })).body.code).toBe(
    'payments_unavailable',
  )
})

test('B4: every model on offer has a price and says which keys allow it', async () => {
  const { call } = await signUp()
  const { models } = (await call('GET', '/models')).body
  expect(models.length).toBeGreaterThan(4)
  for (const model of models) {
    expect(model).toMatchObject({ usableWith: ['SHARED', 'OWN'], price: { inputMicros: expect.any(Number) } })
  }
})
