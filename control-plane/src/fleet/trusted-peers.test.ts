import type { HostServiceClient } from '@yourclaw/proto/host/v1'
import { afterEach, expect, test, vi } from 'vitest'
import { revokeHost } from '../services/host/revoke-host.ts'
import { createFleet, type Fleet, open } from './fixtures.ts'
import { trustedPeers } from './trusted-peers.ts'

let fleet: Fleet | undefined
afterEach(async () => {
  await fleet?.close()
  fleet = undefined
})

const actor = 'operator:test'

async function connected(...[timing]: Parameters<typeof createFleet>) {
  const started = await createFleet(timing)
  fleet = started
  const host = await started.enroll('lost')
  const client = started.connect(host)
  const agent = open(client)
  await agent.next('welcome')
  await agent.next('snapshot')
  return {
    ...started,
    host,
    client,
    agent,
    revoke: () => revokeHost({ ctx: started.ctx, input: { name: 'lost', actor } }),
  }
}

/** Why a stream is refused: `stale_epoch` once it is known whose it is, before anything else is read of the database. */
function refusal(client: HostServiceClient) {
  const call = client.runTurn()
  const refused = new Promise<string>((resolve) =>
    call.on('error', (error: Error & { details: string }) => resolve(error.details)),
  )
  const none = { turnId: 't', attempt: 1, conversation: 0, sessionEpoch: 0n }
  call.write({
    seq: 1n,
    body: { $case: 'open', open: { ...none, needsInput: true, conversationExists: false } },
  })
  return refused
}

/** Of a session that no notice reaches any more and whose connection is known. */
async function unreached() {
  const it = await connected()
  const asked = vi.spyOn(it.ctx.pool, 'query')
  await it.notifications.close()
  await vi.waitFor(async () => {
    asked.mockClear()
    expect(await refusal(it.client)).toBe('stale_epoch')
    expect(asked).not.toHaveBeenCalled()
  }, 10_000)
  return { ...it, asked }
}

test('S5: the next turn of a revoked host is refused on the connection that its session had', async () => {
  const { client, agent, revoke } = await connected()
  expect(await refusal(client)).toBe('stale_epoch')
  await revoke()
  expect((await agent.next('goAway')).goAway.reason).toBe('revoked')
  expect(await refusal(client)).toBe('unauthenticated')
  expect(await agent.ended).toBe('host_revoked')
  expect(await refusal(client)).toBe('unauthenticated')
})

test('S5: a stream of the session’s own connection asks nothing, one of another connection asks as ever', async () => {
  const { host, client, connect, asked, revoke } = await unreached()
  expect(await refusal(connect(host))).toBe('stale_epoch')
  expect(asked).toHaveBeenCalledOnce()
  await revoke()
  expect(await refusal(connect(host))).toBe('unauthenticated')
  expect(await refusal(client)).toBe('stale_epoch')
})

test('S5: a revocation that nobody heard of counts when the sweep is due, whatever became of the sweep', async () => {
  const { client, clock, revoke } = await unreached()
  await revoke()
  clock.aheadMs = 30_000
  expect(await refusal(client)).toBe('unauthenticated')
})

test('S5: a revocation that nobody heard of ends the session with the sweep, and its connection is nobody’s', async () => {
  const { client, agent, notifications, revoke } = await connected({ sweepMs: 500 })
  await notifications.close()
  await revoke()
  agent.call.resume()
  expect(await agent.ended).toBe('host_revoked')
  expect(await refusal(client)).toBe('unauthenticated')
})

test('S5: a connection of which something is asked, that ended, or whose certificate ran out has to be asked', () => {
  const clock = { ms: 0, now: () => clock.ms }
  const peers = trustedPeers({ clock, trustMs: 100 })
  const host = { hostId: 'h', serial: 's', notAfter: new Date(150) }
  const session = peers.open('p', host)
  expect(peers.hostOf('p')).toBeUndefined()
  session.question()(true)
  expect(peers.hostOf('p')).toBe(host)
  expect(peers.hostOf('q')).toBeUndefined()
  const first = session.question()
  expect(peers.hostOf('p')).toBeUndefined()
  const second = session.question()
  first(true)
  expect(peers.hostOf('p')).toBeUndefined()
  second(true)
  expect(peers.hostOf('p')).toBe(host)

  clock.ms = 99
  expect(peers.hostOf('p')).toBe(host)
  session.question()(true)
  clock.ms = 149
  expect(peers.hostOf('p')).toBe(host)
  clock.ms = 150
  expect(peers.hostOf('p')).toBeUndefined()

  clock.ms = 0
  const newer = peers.open('p', host)
  newer.question()(true)
  session.end()
  session.question()(true)
  expect(peers.hostOf('p')).toBe(host)
  const late = newer.question()
  newer.question()(false)
  late(true)
  newer.question()(true)
  expect(peers.hostOf('p')).toBeUndefined()
  const nameless = peers.open('', host)
  nameless.question()(true)
  expect(peers.hostOf('')).toBeUndefined()
})
