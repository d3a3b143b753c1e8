import { createHmac, createPrivateKey, createPublicKey, randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from './app.ts'
import { inTransaction, nudge } from './context.ts'
import { type Deps, openDeps } from './deps.ts'
import { readEnv } from './env.ts'
import { createSupabaseTokens } from './lib/tokens.ts'
import { parseKeys } from './lib/vault.ts'
import { ensureUser } from './services/account/ensure-user.ts'

const supabaseKeys = await generateKeyPair('ES256')
let database: TestDatabase
let supabase: Server
let supabaseUrl: string
let deps: Deps
let app: ReturnType<typeof createApp>

beforeAll(async () => {
  database = await createTestDatabase()
  supabase = await publishKeys()
  supabaseUrl = `http://127.0.0.1:${(supabase.address() as AddressInfo).port}`
  const env = readEnv({ NODE_ENV: 'test', SUPABASE_URL: supabaseUrl })
  deps = await openDeps(env, database.url, pino({ enabled: false }))
  app = createApp(deps)
})
afterAll(async () => {
  await deps.close()
  await new Promise((resolve) => supabase.close(resolve))
  await database.close()
})

/** What a Supabase project publishes, and nothing else of it. */
async function publishKeys(): Promise<Server> {
  const key = { ...(await exportJWK(supabaseKeys.publicKey)), kid: 's1', alg: 'ES256', use: 'sig' }
  const server = createServer((request, response) => {
    const found = request.url === '/auth/v1/.well-known/jwks.json'
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json', connection: 'close' })
    response.end(JSON.stringify({ keys: [key] }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

async function signUp(email = `${randomUUID()}@example.test`) {
  const { id } = await deps.db.$transaction((tx) => ensureUser(tx, { email, name: '' }))
  return { id, email, bearer: await deps.tokens.issue(id, 60) }
}

function call(method: string, path: string, options: { bearer?: string; body?: unknown; raw?: string } = {}) {
  const headers = new Headers(
    options.bearer === undefined ? {} : { authorization: `Bearer ${options.bearer}` },
  )
  const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
  if (body !== undefined) headers.set('content-type', 'application/json')
  return app.request(`/api/v1${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
}

async function expectProblem(response: Response, status: number, code: string) {
  expect({ status: response.status, body: await response.json() }).toEqual({
    status,
    body: { detail: expect.any(String), code },
  })
}

const seconds = () => Math.floor(Date.now() / 1000)
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Our own newest signing key, to sign what the program itself never would. */
function ownKey() {
  const [[kid, seed] = ['', Buffer.alloc(0)]] = parseKeys(deps.env.SESSION_SIGNING_KEYS)
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
  const key = createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' })
  return { kid, key }
}

test('I7: a bearer with a wrong algorithm, issuer, audience or time is refused', async () => {
  const { id } = await signUp()
  const { kid, key } = ownKey()
  const good = {
    sub: id,
    jti: randomUUID(),
    iss: deps.env.API_URL,
    aud: 'yourclaw',
    exp: seconds() + 60,
  }
  const sign = (claims: JWTPayload) =>
    new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg: 'EdDSA', kid }).sign(key)
  expect((await call('GET', '/users/me', { bearer: await sign({}) })).status).toBe(200)

  const hs256 = `${encode({ alg: 'HS256', kid })}.${encode(good)}`
  const publicPem = createPublicKey(key).export({ type: 'spki', format: 'pem' })
  const bad = {
    none: `${encode({ alg: 'none', kid })}.${encode(good)}.`,
    'HS256 with the public key': `${hs256}.${createHmac('sha256', publicPem).update(hs256).digest('base64url')}`,
    issuer: await sign({ iss: 'https://elsewhere.test' }),
    audience: await sign({ aud: 'authenticated' }),
    expired: await sign({ exp: seconds() - 1 }),
    'not yet valid': await sign({ nbf: seconds() + 60 }),
    'nobody’s': await sign({ sub: randomUUID() }),
    noise: 'noise',
  }
  for (const [name, bearer] of Object.entries(bad)) {
    const response = await call('GET', '/users/me', { bearer })
    expect([name, response.status]).toEqual([name, 401])
    await expectProblem(response, 401, 'invalid_token')
  }
})

test('I7: signing out ends that bearer and no other', async () => {
  const { id, bearer } = await signUp()
  const other = await deps.tokens.issue(id, 60)
  expect((await call('POST', '/auth/logout', { bearer })).status).toBe(204)
  await expectProblem(await call('GET', '/users/me', { bearer }), 401, 'invalid_token')
  expect((await call('GET', '/users/me', { bearer: other })).status).toBe(200)
})

const supabaseToken = (
  subject: string,
  claims: JWTPayload = {},
  signer: { alg: string; key: CryptoKey | Uint8Array } = { alg: 'ES256', key: supabaseKeys.privateKey },
) =>
  new SignJWT({
    iss: `${supabaseUrl}/auth/v1`,
    aud: 'authenticated',
    exp: seconds() + 60,
    user_metadata: { email_verified: true },
    ...claims,
    sub: subject,
  })
    .setProtectedHeader({ alg: signer.alg, kid: 's1' })
    .sign(signer.key)

async function whoIs(bearer: string): Promise<string> {
  const response = await call('GET', '/users/me', { bearer })
  expect(response.status).toBe(200)
  return ((await response.json()) as { id: string }).id
}

test('I7: a Supabase identity is one user from its first request on', async () => {
  const subject = randomUUID()
  const email = `${subject}@example.test`
  const bearer = await supabaseToken(subject, { email: email.toUpperCase() })
  const seen = await Promise.all([whoIs(bearer), whoIs(bearer), whoIs(bearer)])
  expect(new Set(seen).size).toBe(1)
  expect(await whoIs(await supabaseToken(subject, { email: `new-${email}` }))).toBe(seen[0])
  const existing = await signUp()
  expect(await whoIs(await supabaseToken(randomUUID(), { email: existing.email }))).toBe(existing.id)
  expect((await call('POST', '/auth/logout', { bearer })).status).toBe(204)
  await expectProblem(await call('GET', '/users/me', { bearer }), 401, 'invalid_token')
})

test('I7: a Supabase token that proves no address, or is not valid, makes no user', async () => {
  const email = `${randomUUID()}@example.test`
  const token = (claims: JWTPayload) => supabaseToken(randomUUID(), { email, ...claims })
  const unproven = [{ user_metadata: {} }, { email_verified: false }, { is_anonymous: true }, { email: '' }]
  for (const claims of unproven) {
    const response = await call('GET', '/users/me', { bearer: await token(claims) })
    await expectProblem(response, 403, 'email_not_verified')
  }
  const hs256 = await supabaseToken(randomUUID(), { email }, { alg: 'HS256', key: Buffer.alloc(32, 1) })
  const invalid = [
    hs256,
    await token({ aud: 'anon' }),
    await token({ iss: `${supabaseUrl}/auth/v2` }),
    await token({ exp: seconds() - 1 }),
    await token({ nbf: seconds() + 60 }),
  ]
  for (const bearer of invalid) {
    await expectProblem(await call('GET', '/users/me', { bearer }), 401, 'invalid_token')
  }
  expect(await deps.db.user.count({ where: { email } })).toBe(0)
})

test('I7: when the keys of Supabase cannot be read, the token is not blamed', async () => {
  const unreachable = createSupabaseTokens('http://127.0.0.1:1')
  const refusal = unreachable.verify(await supabaseToken(randomUUID()))
  await expect(refusal).rejects.toMatchObject({ status: 503, code: 'issuer_unavailable', retryable: true })
})

test('I9: a second user sees and changes nothing of the first', async () => {
  const [anna, ben] = [await signUp(), await signUp()]
  const message = { direction: 'INBOUND', channel: 'TELEGRAM', address: '4242', seq: 1n } as const
  await deps.db.message.create({
    data: {
      ...message,
      body: 'annas secret',
      userId: anna.id,
      providerMessageId: randomUUID(),
      state: 'RECEIVED',
    },
  })
  await deps.db.usageDaily.create({
    data: { userId: anna.id, date: new Date(new Date().toISOString().slice(0, 10)), inboundCount: 7 },
  })
  await deps.db.userPhone.create({ data: { userId: anna.id, channel: 'TELEGRAM', address: '4242' } })
  const read = async (path: string, bearer: string) => (await call('GET', path, { bearer })).text()

  expect(await read('/messages', anna.bearer)).toContain('annas secret')
  for (const path of ['/users/me', '/messages', '/usage', '/assistants']) {
    const text = await read(path, ben.bearer)
    for (const hers of [anna.id, anna.email, 'annas secret', '4242']) expect(text).not.toContain(hers)
  }
  expect(JSON.parse(await read('/usage', ben.bearer)).today.inbound).toBe(0)
  await call('PATCH', '/users/me', { bearer: ben.bearer, body: { id: anna.id, name: 'Ben' } })
  await call('DELETE', '/users/me/channel/TELEGRAM', { bearer: ben.bearer })
  const after = await deps.db.user.findUniqueOrThrow({ where: { id: anna.id }, include: { phones: true } })
  expect([after.name, after.phones[0]?.unboundAt]).toEqual(['', null])
})

test('O3: every refusal is { detail, code }', async () => {
  const { bearer } = await signUp()
  await expectProblem(await call('GET', '/nothing'), 404, 'not_found')
  await expectProblem(await app.request('/nothing'), 404, 'not_found')
  for (const path of ['/users/me', '/usage', '/messages', '/assistants', '/assistants/events']) {
    await expectProblem(await call('GET', path), 401, 'unauthenticated')
  }
  await expectProblem(await call('POST', '/auth/logout'), 401, 'unauthenticated')
  const large = JSON.stringify({ name: 'x'.repeat(1024 * 1024) })
  await expectProblem(await call('PATCH', '/users/me', { bearer, raw: large }), 413, 'body_too_large')
  for (const raw of ['{', 'null', '[]', '"x"', '']) {
    const response = await call('PATCH', '/users/me', { bearer, raw })
    expect([raw, response.status]).toEqual([raw, 400])
    expect(await response.json()).toEqual({ detail: expect.any(String), code: expect.any(String) })
  }
  const zones = ['Mars/Olympus', '+02:00', 'AET', 'IST', 'US/Pacific-New', 'posix/Europe/Berlin', '']
  const refused = [...zones.map((timeZone) => ({ timeZone })), { name: 7 }]
  for (const body of refused) {
    await expectProblem(await call('PATCH', '/users/me', { bearer, body }), 400, 'invalid_input')
  }
  await expectProblem(await call('GET', '/messages?before=x', { bearer }), 400, 'invalid_input')
})

test('O3: JSON that is announced and not sent is no broken JSON where nothing is needed', async () => {
  const { bearer } = await signUp()
  for (const [path, status] of [
    ['/messages/stop', 202],
    ['/assistants', 402],
    ['/users/me/channel', 400],
    ['/auth/logout', 204],
  ] as const) {
    expect([path, (await call('POST', path, { bearer, raw: '' })).status]).toEqual([path, status])
  }
})

test('O3: control characters and lone surrogates never become a 500', async () => {
  const { bearer } = await signUp()
  const raw = String.raw`{"name":"A\u0000\u0007\ud800na"}`
  const response = await call('PATCH', '/users/me', { bearer, raw })
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({ name: 'A\ufffdna' })
  const text = String.raw`\u0000\ud800`
  const bodies: [path: string, raw: string][] = [
    ['/users/me/phone', `{"phone":"${text}"}`],
    ['/users/me/channel', `{"channel":"${text}"}`],
    ['/assistants', `{"model":"${text}"}`],
    ['/hosts/enroll', `{"token":"${text}","csr":"${text}","name":"${text}"}`],
    ['/hosts/enroll', `{"token":"${text}","csr":"${text}","name":"a"}`],
  ]
  for (const [path, raw] of bodies) {
    const { status } = await call('POST', path, { bearer, raw })
    expect([path, status >= 400 && status < 500]).toEqual([path, true])
  }
})

test('I1: a phone number alone binds nothing', async () => {
  const { id, bearer } = await signUp()
  const post = (phone: string) => call('POST', '/users/me/phone', { bearer, body: { phone } })
  await expectProblem(await post('12'), 400, 'invalid_phone')
  expect((await post('+44 20 7946 0018')).status).toBe(200)
  expect(await deps.db.userPhone.count({ where: { userId: id } })).toBe(0)
})

test('usage is counted in the user’s own day', async () => {
  const { id, bearer } = await signUp()
  const timeZone = 'Pacific/Kiritimati'
  const date = new Intl.DateTimeFormat('en-CA', { timeZone }).format()
  await deps.db.user.update({ where: { id }, data: { timeZone } })
  await deps.db.usageDaily.createMany({
    data: [
      { userId: id, date: new Date(date), inboundCount: 3, outboundCount: 2 },
      { userId: id, date: new Date('2020-01-01'), inboundCount: 1 },
    ],
  })
  const usage = (await (await call('GET', '/usage', { bearer })).json()) as { today: { resetsAt: string } }
  const none = { inputTokens: 0, outputTokens: 0 }
  expect(usage).toEqual({
    today: { inbound: 3, outbound: 2, limit: 100, resetsAt: expect.any(String) },
    minute: { inbound: 0, limit: 5 },
    days: [{ date, inbound: 3, outbound: 2, ...none, costMicros: 0, ownKey: none }],
    models: [],
  })
  const midnight = new Intl.DateTimeFormat('en-GB', { timeZone, timeStyle: 'medium' })
  expect(midnight.format(new Date(usage.today.resetsAt))).toBe('00:00:00')
})

test('I7: signing out ends a stream of events, too', async () => {
  const { id, bearer } = await signUp()
  const response = await call('GET', '/assistants/events', { bearer })
  const events = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  expect((await events?.read())?.value).toContain('"status":"NONE"')
  await call('POST', '/auth/logout', { bearer })
  await inTransaction(deps.ctx, async (tx) => nudge(tx, 'assistant', id))
  expect(await events?.read()).toEqual({ done: true, value: undefined })
})

test('M2: a message that was refused stays refused when it is sent again', async () => {
  const { bearer } = await signUp()
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
  const init = { method: 'POST', headers: { ...headers, 'idempotency-key': 'one' }, body: '{"text":"hello"}' }
  for (const _ of [1, 2]) {
    await expectProblem(await app.request('/api/v1/messages', init), 402, 'not_entitled')
  }
})

test('the API describes itself', async () => {
  const page = (await (await call('GET', '/openapi.json')).json()) as { openapi: string; paths: object }
  expect(page.openapi).toBe('3.1.0')
  const listed = ['/users/me', '/users/me/channel', '/users/me/phone', '/assistants', '/models', '/usage']
  listed.push('/messages', '/auth/logout', '/hosts/enroll', '/assistants/events')
  expect(Object.keys(page.paths)).toEqual(expect.arrayContaining(listed.map((path) => `/api/v1${path}`)))
  // The readable page takes everything from here: it must work on a machine without internet.
  const readable = await (await call('GET', '/docs')).text()
  const taken = [...readable.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address)
  expect(taken).toEqual(['docs/swagger-ui.css', 'openapi.json', 'docs/swagger-ui-bundle.js'])
  for (const address of taken) expect((await call('GET', `/${address}`)).status).toBe(200)
})

test('O2: without a host the service is degraded and says so', async () => {
  for (const path of ['/health/ready', '/api/v1/health/ready']) {
    const response = await app.request(path)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      status: 'degraded',
      checks: { database: { ok: true }, hosts: { ok: false, detail: 'no host is connected' } },
    })
  }
})
