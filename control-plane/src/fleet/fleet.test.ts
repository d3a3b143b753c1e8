import 'reflect-metadata'
import { createHash, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { type HostServiceClient, Phase } from '@yourclaw/proto/host/v1'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { inTransaction, nudge, systemClock } from '../context.ts'
import { createAssistant } from '../services/assistant/create-assistant.ts'
import { createJoinToken } from '../services/host/create-join-token.ts'
import { enrollHost } from '../services/host/enroll-host.ts'
import { openAuthority } from './authority.ts'
import { createFleet, csr, type Fleet, open, reader, vault } from './fixtures.ts'

let fleet: Fleet
let { ctx, notifications, authority, waiting, stored, shown, enroll, connect, person } = {} as Fleet

beforeEach(async () => {
  fleet = await createFleet()
  ;({ ctx, notifications, authority, waiting, stored, shown, enroll, connect, person } = fleet)
})
afterEach(() => fleet.close())

const code = (client: HostServiceClient) =>
  new Promise<number>((resolve) => {
    const call = client.session()
    call.on('error', (error: Error & { code: number }) => resolve(error.code))
    call.on('data', () => resolve(0))
  })

test('S6: a join token works once, not after its hour, and a CSR without proof of its key spends nothing', async () => {
  const { token } = await createJoinToken({ ctx, input: { createdBy: 'operator:test' } })
  const { csrPem } = await csr()
  const attempt = (name: string, pem = csrPem, at = ctx) =>
    enrollHost({ ctx: at, signer: authority, input: { token, csrPem: pem, name } })
  const der = Buffer.from(x509.PemConverter.decodeFirst(csrPem))
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1
  await expect(attempt('a', x509.PemConverter.encode(der, 'CERTIFICATE REQUEST'))).rejects.toMatchObject({
    code: 'invalid_csr',
  })
  const late = { ...ctx, clock: { now: () => Date.now() + 3_600_001 } }
  await expect(attempt('a', csrPem, late)).rejects.toMatchObject({ code: 'invalid_join_token' })
  const results = await Promise.allSettled([attempt('a'), attempt('b'), attempt('c')])
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
  expect(JSON.stringify(await ctx.db.joinToken.findMany())).not.toContain(token)
})

test('S5: a host that trusts another authority is refused and keeps its join token', async () => {
  const { token } = await createJoinToken({ ctx, input: { createdBy: 'operator:test' } })
  const { csrPem } = await csr()
  const spki = new X509Certificate(authority.caPem).publicKey.export({ type: 'spki', format: 'der' })
  const digest = createHash('sha256').update(spki).digest('hex')
  const attempt = (caPin: string) =>
    enrollHost({ ctx, signer: authority, input: { token, csrPem, name: 'pinned', caPin } })
  await expect(attempt(`sha256:${'0'.repeat(64)}`)).rejects.toMatchObject({ code: 'ca_pin_mismatch' })
  expect(await ctx.db.hostServer.count()).toBe(0)
  expect((await attempt(`sha256:${digest}`)).caPem).toBe(authority.caPem)
})

test('S5: replicas that race for the authority end with one', async () => {
  await ctx.db.certificateAuthority.deleteMany()
  const all = await Promise.all([1, 2, 3].map(() => openAuthority({ db: ctx.db, vault, clock: systemClock })))
  expect(new Set(all.map((one) => one.caPem)).size).toBe(1)
})

test('S5: without a certificate, with an unknown or a revoked one, nobody gets in', async () => {
  const host = await enroll()
  expect(await code(connect(null))).toBe(14)
  const { csrPem, keyPem } = await csr()
  const unknown = await authority.signHost({ csrPem, hostId: host.hostId, nowMs: Date.now() })
  expect(await code(connect({ ...unknown, keyPem }))).toBe(16)
  await ctx.db.hostCertificate.updateMany({ data: { revokedAt: new Date() } })
  expect(await code(connect(host))).toBe(16)
})

test('F1: desired state reaches the host as a snapshot, then as deltas, and its reports come back', async () => {
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

test('F1, F8: changes that come at once are looked at together, and none is missed', async () => {
  const host = await enroll()
  const agent = open(connect(host))
  await agent.next('welcome')
  await agent.next('snapshot')
  const userIds = await Promise.all(Array.from({ length: 5 }, () => person()))
  const { hosts } = fleet
  const { desiredGenerations } = hosts
  const release = Promise.withResolvers<void>()
  let looks = 0
  hosts.desiredGenerations = async (input) => {
    looks += 1
    await release.promise
    return desiredGenerations(input)
  }
  let heard = 0
  notifications.on('changes', () => {
    heard += 1
  })
  // Each in a transaction of its own: of the same notices of one, the database sends one.
  const nudges = Array.from({ length: 100 }, () =>
    inTransaction(ctx, async (tx) => nudge(tx, 'changes', host.hostId)),
  )
  await Promise.all(nudges)
  for (const userId of userIds.slice(0, 4)) await createAssistant({ ctx, vault, input: { userId } })
  await expect.poll(() => heard).toBe(104)
  release.resolve()
  const told = async (count: number) => {
    const seen = new Set<string>()
    while (seen.size < count)
      for (const { userId } of (await agent.next('delta')).delta.assistants) seen.add(userId)
    return seen
  }
  expect(await told(4)).toEqual(new Set(userIds.slice(0, 4)))
  // Whatever was to be looked at before this one has been.
  await createAssistant({ ctx, vault, input: { userId: userIds[4] ?? '' } })
  expect(await told(1)).toEqual(new Set(userIds.slice(4)))
  expect(looks).toBeLessThanOrEqual(4)
})

test('F8: a host has so many streams, and one that ends makes room', async () => {
  const client = connect(await enroll())
  const agent = open(client)
  await agent.next('welcome')
  const opened = Array.from({ length: 199 }, () => client.runTurn())
  for (const call of opened) call.on('error', () => {})
  const refused = () =>
    new Promise<string>((resolve) => {
      const call = client.handOver()
      call.on('error', (error: Error & { details: string }) => resolve(error.details))
      setTimeout(() => call.cancel(), 500)
    })
  await expect.poll(refused, { timeout: 10_000 }).toBe('too_many_streams')
  opened[0]?.cancel()
  await expect.poll(refused, { timeout: 10_000 }).not.toBe('too_many_streams')
})

test('S5: the newest session wins and a renewal sends the session away', async () => {
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

test('a turn is announced, answered and stored, and then the next one; a failed attempt is announced again; strangers are refused', async () => {
  const host = await enroll()
  const client = connect(host)
  const agent = open(client)
  await agent.next('welcome')
  await agent.next('snapshot')
  const announced = {
    turnId: 't1',
    assistantId: 'a',
    userId: 'u',
    attempt: 1,
    conversation: 0,
    traceParent: null,
    receivedAt: new Date(),
  }
  waiting.push(announced)
  await inTransaction(ctx, async (tx) => nudge(tx, 'turns', host.hostId))
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
  failing.call.write({
    seq: 2n,
    body: { $case: 'failed', failed: { cause: undefined, retryable: true, partialText: '' } },
  })
  expect((await agent.next('startTurn')).startTurn).toMatchObject({ turnId: 't1', attempt: 2 })
  waiting.push({ ...announced, turnId: 't3' })
  const { call } = run('t1', 2)
  const { next } = reader(call)
  expect((await next('input')).input).toMatchObject({
    messages: [{ text: 'hi', atUnixMs: 5n }],
    history: [{ text: 'before' }],
  })
  await expect.poll(() => shown.at(-1)).toBe('typing')
  shown.length = 0
  call.write({ seq: 2n, body: { $case: 'delta', delta: { text: 'he' } } })
  call.write({ seq: 3n, body: { $case: 'delta', delta: { text: 'llo' } } })
  call.write({ seq: 4n, body: { $case: 'done', done: { text: 'hello', usage: undefined } } })
  await next('stored')
  expect(stored).toEqual(['hello'])
  await expect.poll(() => shown).toEqual(['he', 'hello', 'typed'])
  // Nobody told the session of this one.
  expect((await agent.next('startTurn')).startTurn).toMatchObject({ turnId: 't3', attempt: 1 })
})
