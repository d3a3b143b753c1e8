import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import * as x509 from '@peculiar/x509'
import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { type AgentMessage, HostServiceClient, Phase, type ServerMessage } from '@yourclaw/proto/host/v1'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Ctx, inTransaction, nudge, systemClock } from '../context.ts'
import { listen, type Notifications } from '../lib/notifications.ts'
import { createVault } from '../lib/vault.ts'
import { createAssistant } from '../services/assistant/create-assistant.ts'
import { createJoinToken } from '../services/host/create-join-token.ts'
import { enrollHost } from '../services/host/enroll-host.ts'
import { testSettings } from '../testing/settings.ts'
import { type Authority, openAuthority, serverName } from './authority.ts'
import type { ClaimedTurn, Conversation } from './deps.ts'
import { type FleetServer, startFleetServer } from './server.ts'

const vault = createVault(`k1:${Buffer.alloc(32, 7).toString('base64')}`)
const log = pino({ level: 'silent' })
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
let database: TestDatabase
let ctx: Ctx
let notifications: Notifications
let authority: Authority
let server: FleetServer
let clients: HostServiceClient[]
/** The conversation's verbs belong to another folder: here stands a list of turns in their place. */
let waiting: ClaimedTurn[]
let stored: string[]
let shown: string[]

beforeEach(async () => {
  database = await createTestDatabase()
  ctx = {
    db: database.db,
    clock: systemClock,
    log,
    settings: testSettings,
  }
  notifications = await listen(database.url, log)
  authority = await openAuthority({ db: database.db, vault, clock: systemClock })
  clients = []
  waiting = []
  stored = []
  shown = []
  const conversation: Conversation = {
    claimTurns: async ({ input }) => waiting.splice(0, input.limit),
    turnsToStop: async () => [],
    adoptTurns: async () => [],
    readTurnInput: async ({ input }) => ({
      messages: [{ text: 'hi', at: 5 }],
      history: input.withHistory ? [{ fromAssistant: true, text: 'before' }] : [],
      userId: 'u',
      channel: 'WEB',
      address: 'u',
      replyTo: null,
    }),
    finishTurn: async ({ input }) => stored.push(input.text),
    failTurn: async () => ({ retryAfterMs: 1, attempt: 2 }),
  }
  server = await startFleetServer({
    ctx,
    vault,
    authority,
    notifications,
    conversation,
    sharedKeys: [],
    replica: 'test',
    onFirstReady: async () => {},
    onProgress: ({ text }) => void shown.push(text),
    maxTurnsPerHost: 1,
    sweepMs: 30_000,
    resyncMs: 600_000,
    port: 0,
  })
})
afterEach(async () => {
  for (const client of clients) client.close()
  await server.close()
  await notifications.close()
  await database.close()
})

async function csr() {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=x',
    keys,
    signingAlgorithm: algorithm,
  })
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { csrPem: request.toString('pem'), keyPem: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') }
}
async function enroll(name = 'host-1') {
  const { csrPem, keyPem } = await csr()
  const { token } = await createJoinToken({ ctx, input: { createdBy: 'operator:test' } })
  return { ...(await enrollHost({ ctx, signer: authority, input: { token, csrPem, name } })), keyPem }
}
function connect(as: { certificatePem: string; keyPem: string } | null): HostServiceClient {
  const client = new HostServiceClient(
    `127.0.0.1:${server.port}`,
    credentials.createSsl(
      Buffer.from(authority.caPem),
      as && Buffer.from(as.keyPem),
      as && Buffer.from(as.certificatePem),
    ),
    { 'grpc.ssl_target_name_override': serverName, 'grpc.use_local_subchannel_pool': 1 },
  )
  clients.push(client)
  return client
}
function open(client: HostServiceClient) {
  const call = client.session()
  call.on('error', () => {})
  let seq = 0n
  const say = (body: NonNullable<AgentMessage['body']>) => call.write({ seq: ++seq, ack: 0n, body })
  const capacity = { maxAssistants: 5, currentAssistants: 0, memoryTotalBytes: 8n, memoryFreeBytes: 4n }
  const hello = {
    agentVersion: '1.0.0',
    protocolVersions: [1],
    capabilities: [],
    runtime: 'fake',
    ip: '',
    capacity,
  }
  say({ $case: 'hello', hello: { ...hello, observed: [], heldTurns: [] } })
  return { call, say, next: reader<ServerMessage>(call) }
}
function reader<T extends { body: { $case: string } | undefined }>(
  call: ClientDuplexStream<never, T> | AsyncIterable<T>,
) {
  const messages = (call as AsyncIterable<T>)[Symbol.asyncIterator]()
  return async <C extends NonNullable<T['body']>['$case']>(kind: C) => {
    const { value, done } = await messages.next()
    expect(done ? 'end' : value.body?.$case).toBe(kind)
    return value.body as Extract<T['body'], { $case: C }>
  }
}
async function person() {
  const { id } = await ctx.db.user.create({ data: { email: `${crypto.randomUUID()}@example.com` } })
  await ctx.db.subscription.create({ data: { userId: id, status: 'ACTIVE' } })
  return id
}
const code = (client: HostServiceClient) =>
  new Promise<number>((resolve) => {
    const call = client.session()
    call.on('error', (error: Error & { code: number }) => resolve(error.code))
    call.on('data', () => resolve(0))
  })

test('S6 a join token works once, not after its hour, and a CSR without proof of its key spends nothing', async () => {
  const { token } = await createJoinToken({ ctx, input: { createdBy: 'operator:test' } })
  const { csrPem } = await csr()
  const attempt = (name: string, pem = csrPem, at = ctx) =>
    enrollHost({ ctx: at, signer: authority, input: { token, csrPem: pem, name } })
  const der = Buffer.from(x509.PemConverter.decodeFirst(csrPem))
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1
  await expect(attempt('a', x509.PemConverter.encode(der, 'CERTIFICATE REQUEST'))).rejects.toMatchObject({
    code: 'invalid_csr',
  })
  const late: Ctx = { ...ctx, clock: { now: () => Date.now() + 3_600_001 } }
  await expect(attempt('a', csrPem, late)).rejects.toMatchObject({ code: 'invalid_join_token' })
  const results = await Promise.allSettled([attempt('a'), attempt('b'), attempt('c')])
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
  expect(JSON.stringify(await ctx.db.joinToken.findMany())).not.toContain(token)
})

test('S5 replicas that race for the authority end with one', async () => {
  await ctx.db.certificateAuthority.deleteMany()
  const all = await Promise.all([1, 2, 3].map(() => openAuthority({ db: ctx.db, vault, clock: systemClock })))
  expect(new Set(all.map((one) => one.caPem)).size).toBe(1)
})

test('S5 without a certificate, with an unknown or a revoked one, nobody gets in', async () => {
  const host = await enroll()
  expect(await code(connect(null))).toBe(14)
  const { csrPem, keyPem } = await csr()
  const unknown = await authority.signHost({ csrPem, hostId: host.hostId, nowMs: Date.now() })
  expect(await code(connect({ ...unknown, keyPem }))).toBe(16)
  await ctx.db.hostCertificate.updateMany({ data: { revokedAt: new Date() } })
  expect(await code(connect(host))).toBe(16)
})

test('F1 desired state reaches the host as a snapshot, then as deltas, and its reports come back', async () => {
  const agent = open(connect(await enroll()))
  expect((await agent.next('welcome')).welcome.sessionEpoch).toBe(1n)
  expect((await agent.next('snapshot')).snapshot.assistants).toEqual([])
  const userId = await person()
  await createAssistant({ ctx, vault, input: { userId } })
  const [spec] = (await agent.next('delta')).delta.assistants
  expect(spec).toMatchObject({ userId, generation: 1 })
  const ready = Promise.withResolvers<void>()
  const stop = notifications.on('assistant', () => ready.resolve())
  const assistantId = spec?.assistantId ?? ''
  const report = {
    assistantId,
    generation: 1,
    phase: Phase.PHASE_READY,
    cause: undefined,
    containerId: 'c',
    step: '',
  }
  agent.say({ $case: 'observed', observed: report })
  await ready.promise
  stop()
  expect(await ctx.db.assistant.findUnique({ where: { userId } })).toMatchObject({ status: 'READY' })
})

test('S5 the newest session wins and a renewal sends the session away', async () => {
  const client = connect(await enroll())
  const first = open(client)
  await first.next('welcome')
  await first.next('snapshot')
  const second = open(client)
  expect((await second.next('welcome')).welcome.sessionEpoch).toBe(2n)
  await second.next('snapshot')
  expect((await first.next('goAway')).goAway.reason).toBe('superseded')
  const { csrPem } = await csr()
  await new Promise((resolve, reject) =>
    client.renew({ csrPem }, (error, answer) => (error ? reject(error) : resolve(answer))),
  )
  expect((await second.next('goAway')).goAway.reason).toBe('certificate_renewed')
})

test('a turn is announced, answered and stored; a failed attempt is announced again; strangers are refused', async () => {
  const host = await enroll()
  const client = connect(host)
  const agent = open(client)
  await agent.next('welcome')
  await agent.next('snapshot')
  waiting.push({ turnId: 't1', assistantId: 'a', userId: 'u', attempt: 1, traceParent: null })
  await inTransaction(ctx, (tx) => nudge(tx, 'turns', host.hostId))
  expect((await agent.next('startTurn')).startTurn).toMatchObject({ turnId: 't1', attempt: 1 })
  const run = (turnId: string, attempt: number, sessionEpoch = 1n) => {
    const call = client.runTurn()
    const refused = new Promise<number>((resolve) =>
      call.on('error', (error: Error & { code: number }) => resolve(error.code)),
    )
    const opening = { turnId, attempt, sessionEpoch, needsInput: true, conversationExists: false }
    call.write({ seq: 1n, body: { $case: 'open', open: opening } })
    return { call, refused }
  }
  expect(await run('t2', 1).refused).toBe(7)
  expect(await run('t1', 1, 0n).refused).toBe(9)
  const failing = run('t1', 1)
  failing.call.on('data', () => {})
  failing.call.write({ seq: 2n, body: { $case: 'failed', failed: { cause: undefined, retryable: true } } })
  expect((await agent.next('startTurn')).startTurn).toMatchObject({ turnId: 't1', attempt: 2 })
  const { call } = run('t1', 2)
  const next = reader(call)
  expect((await next('input')).input).toMatchObject({
    messages: [{ text: 'hi', atUnixMs: 5n }],
    history: [{ text: 'before' }],
  })
  shown.length = 0
  call.write({ seq: 2n, body: { $case: 'delta', delta: { text: 'he' } } })
  call.write({ seq: 3n, body: { $case: 'delta', delta: { text: 'llo' } } })
  call.write({ seq: 4n, body: { $case: 'done', done: { text: 'hello', usage: undefined } } })
  await next('stored')
  expect(stored).toEqual(['hello'])
  expect(shown).toContain('hello')
})
