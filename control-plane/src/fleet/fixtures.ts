import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { credentials } from '@grpc/grpc-js'
import * as x509 from '@peculiar/x509'
import { openPool } from '@yourclaw/db'
import { createTestDatabase } from '@yourclaw/db/testing'
import {
  type AgentMessage,
  type Capacity,
  HostServiceClient,
  type ServerMessage,
} from '@yourclaw/proto/host/v1'
import { pino } from 'pino'
import { expect } from 'vitest'
import { listen } from '../lib/notifications.ts'
import { createVault } from '../lib/vault.ts'
import type { ConversationCtx } from '../services/conversation/ctx.ts'
import { createTogether } from '../services/conversation/together.ts'
import { createJoinToken } from '../services/host/create-join-token.ts'
import { enrollHost } from '../services/host/enroll-host.ts'
import { testSettings } from '../testing/settings.ts'
import { openAuthority, serverName } from './authority.ts'
import {
  type ClaimedTurn,
  type Conversation,
  type FleetTiming,
  fleetTiming,
  type Operations,
} from './deps.ts'
import { hostVerbs } from './host-verbs.ts'
import { startFleetServer } from './server.ts'

/** For tests of what knows no operations. */
const noOperations: Operations = {
  claim: async () => [],
  store: () => Promise.reject(new Error('there is none')),
  finish: async () => {},
}

export const vault = createVault(`k1:${Buffer.alloc(32, 7).toString('base64')}`)
const log = pino({ level: 'silent' })
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export type Fleet = Awaited<ReturnType<typeof createFleet>>

/** For tests: a database and a fleet server on it, with a clock that can be set ahead of the real one. */
export async function createFleet(timing: Partial<FleetTiming> = {}, aheadMs = 0) {
  const database = await createTestDatabase()
  const clock = { aheadMs, now: () => Date.now() + clock.aheadMs }
  const nothing = async () => {}
  const pool = openPool(database.url, 2)
  const alone = {
    db: database.db,
    pool,
    wake: () => {},
    hostsHere: new Map(),
    clock,
    log,
    settings: testSettings,
    outbox: {
      enqueueMessage: nothing,
      enqueueMessages: async () => undefined,
      enqueueText: nothing,
      enqueueClose: nothing,
      bury: nothing,
    },
  }
  const ctx: ConversationCtx = { ...alone, together: createTogether(alone) }
  const notifications = await listen(database.url, log)
  const authority = await openAuthority({ db: database.db, vault, clock })
  const clients: HostServiceClient[] = []
  // The conversation's verbs belong to another folder: here stands a list of turns in their place.
  const waiting: ClaimedTurn[] = []
  const stored: string[] = []
  const shown: string[] = []
  const conversation: Conversation = {
    claimTurns: async ({ input }) => ({ turns: waiting.splice(0, input.limit), passedOver: false }),
    runningTurns: async () => [],
    turnsToStop: async () => [],
    adoptTurns: async () => [],
    readTurnInput: async ({ input }) => ({
      messages: [{ text: 'hi', at: 5 }],
      history: input.withHistory ? [{ fromAssistant: true, text: 'before' }] : [],
      userId: 'u',
      channel: 'WEB',
      address: 'u',
      replyTo: null,
      hasMore: false,
    }),
    prepareTurn: async () => [],
    finishTurn: async ({ input }) => stored.push(input.text),
    failTurn: async () => ({ retryAfterMs: 1, attempt: 2, outcome: 'waiting' }),
  }
  const hosts = hostVerbs({ ctx, vault, onFirstReady: async () => {} })
  const server = await startFleetServer({
    ctx,
    authority,
    notifications,
    hosts,
    conversation,
    sharedKeys: [],
    hostsHere: new Map(),
    onClaimed: (turns) => turns,
    replica: 'test',
    operations: noOperations,
    speech: { take: async () => ({ outcome: 'stored', messageId: '' }) },
    tools: { list: async () => [], call: () => Promise.reject(new Error('there is none')) },
    audience: {
      begin() {
        shown.push('typing')
        return { text: (soFar) => void shown.push(soFar), end: () => void shown.push('typed') }
      },
    },
    maxTurnsPerHost: 1,
    timing: { ...fleetTiming, ...timing },
    port: 0,
    listenAddress: '127.0.0.1',
  })

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
  async function person() {
    const { id } = await ctx.db.user.create({ data: { email: `${crypto.randomUUID()}@example.com` } })
    await ctx.db.subscription.create({ data: { userId: id, status: 'ACTIVE' } })
    return id
  }
  async function close() {
    for (const client of clients) client.close()
    await server.close().catch(() => {})
    await notifications.close()
    await pool.close()
    await database.close()
  }
  return {
    server,
    ctx,
    clock,
    notifications,
    authority,
    hosts,
    waiting,
    stored,
    shown,
    enroll,
    connect,
    person,
    close,
  }
}

export async function csr(name = 'CN=x') {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: algorithm,
  })
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { csrPem: request.toString('pem'), keyPem: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') }
}

/** Opens a session and says Hello. */
export function open(client: HostServiceClient) {
  const call = client.session()
  const ended = new Promise<string>((resolve) => {
    call.on('error', (error: Error & { details: string }) => resolve(error.details))
    call.on('end', () => resolve('end'))
  })
  let seq = 0n
  const say = (body: NonNullable<AgentMessage['body']>) => call.write({ seq: ++seq, ack: 0n, body })
  const capacity: Capacity = {
    maxAssistants: 5,
    currentAssistants: 0,
    memoryTotalBytes: 8n,
    memoryFreeBytes: 4n,
    diskTotalBytes: 0n,
    diskFreeBytes: 0n,
    heldOrphans: 0,
  }
  const hello = {
    agentVersion: '1.0.0',
    protocolVersions: [1],
    capabilities: [],
    runtime: 'fake',
    ip: '',
    capacity,
  }
  say({ $case: 'hello', hello: { ...hello, observed: [], heldTurns: [] } })
  return { call, say, capacity, ended, ...reader<ServerMessage>(call) }
}

/** Reads a stream message by message. */
export function reader<T extends { body: { $case: string } | undefined }>(stream: AsyncIterable<T>) {
  const messages = stream[Symbol.asyncIterator]()
  async function message(): Promise<T> {
    const { value, done } = await messages.next()
    if (done) throw new Error('The stream has ended.')
    return value
  }
  return {
    message,
    /** Expects the next message to be of a kind, and answers its body. */
    async next<C extends NonNullable<T['body']>['$case']>(kind: C) {
      const { body } = await message()
      expect(body?.$case).toBe(kind)
      return body as Extract<T['body'], { $case: C }>
    },
  }
}
