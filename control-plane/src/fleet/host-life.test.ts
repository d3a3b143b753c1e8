import { Phase } from '@yourclaw/proto/host/v1'
import { afterEach, expect, test, vi } from 'vitest'
import { createAssistant } from '../services/assistant/create-assistant.ts'
import { createJoinToken } from '../services/host/create-join-token.ts'
import { enrollHost } from '../services/host/enroll-host.ts'
import { listHosts } from '../services/host/list-hosts.ts'
import { removeOrphans } from '../services/host/remove-orphans.ts'
import { revokeHost } from '../services/host/revoke-host.ts'
import { openAuthority } from './authority.ts'
import { createFleet, csr, type Fleet, open, vault } from './fixtures.ts'

let fleet: Fleet
afterEach(() => fleet.close())

async function start(...[timing]: Parameters<typeof createFleet>) {
  fleet = await createFleet(timing)
  return fleet
}
const actor = 'operator:test'

async function connected(name: string) {
  const host = await fleet.enroll(name)
  const client = fleet.connect(host)
  const agent = open(client)
  await agent.next('welcome')
  await agent.next('snapshot')
  return { ...host, client, agent }
}

test('S5: revoking a host ends its session and its turns at once, and its certificate opens nothing any more', async () => {
  const { ctx, connect } = await start()
  const { hostId, client, agent, ...host } = await connected('lost')
  const turnEnded = new Promise<string>((resolve) => {
    fleet.waiting.push({
      turnId: 't1',
      assistantId: 'a',
      userId: 'u',
      attempt: 1,
      conversation: 0,
      traceParent: null,
      receivedAt: new Date(),
    })
    const call = client.runTurn()
    call.on('error', (error: Error & { details: string }) => resolve(error.details))
    call.on('data', () => {})
    const opening = {
      turnId: 't1',
      attempt: 1,
      conversation: 0,
      sessionEpoch: 1n,
      needsInput: true,
      conversationExists: false,
    }
    void fleet.ctx.db.$executeRaw`SELECT pg_notify('yourclaw', ${`turns:${hostId}`})`
      .then(() => agent.next('startTurn'))
      .then(() => call.write({ seq: 1n, body: { $case: 'open', open: opening } }))
  })
  await vi.waitFor(() => expect(fleet.shown).toContain('typing'), 10_000)
  await revokeHost({ ctx, input: { name: 'lost', actor } })
  expect((await agent.next('goAway')).goAway.reason).toBe('revoked')
  expect(await turnEnded).toBe('host_revoked')
  expect(await agent.ended).toBe('host_revoked')
  expect(await open(connect(host)).ended).toBe('unauthenticated')
  await expect(revokeHost({ ctx, input: { name: 'lost', actor } })).rejects.toMatchObject({
    code: 'host_revoked',
  })
  await expect(revokeHost({ ctx, input: { name: 'nobody', actor } })).rejects.toMatchObject({
    code: 'unknown_host',
  })
  const { token } = await createJoinToken({ ctx, input: { createdBy: actor, hostName: 'lost' } })
  const input = { token, csrPem: (await csr()).csrPem, name: 'lost' }
  await expect(enrollHost({ ctx, signer: fleet.authority, input })).rejects.toMatchObject({
    code: 'host_revoked',
  })
})

test('S5: a revoked host that reads nothing is not waited for', async () => {
  const { ctx } = await start()
  const { agent, hostId } = await connected('deaf')
  agent.call.pause()
  await revokeHost({ ctx, input: { name: 'deaf', actor } })
  const lease = () => ctx.db.hostSession.findUniqueOrThrow({ where: { hostId } })
  await vi.waitFor(async () =>
    expect((await lease()).leaseExpiresAt.getTime()).toBeLessThanOrEqual(Date.now()),
  )
  agent.call.resume()
  expect(await agent.ended).toBe('host_revoked')
})

test('S5: whoever holds the certificate of one host says, sees and renews nothing of another', async () => {
  const { ctx, person, authority } = await start()
  const a = await connected('a')
  await ctx.db.hostServer.update({ where: { name: 'a' }, data: { state: 'CORDONED' } })
  const b = await connected('b')
  const userId = await person()
  await createAssistant({ ctx, vault, input: { userId } })
  const [spec] = (await b.agent.next('delta')).delta.assistants
  const observed = {
    assistantId: spec?.assistantId ?? '',
    generation: 1,
    phase: Phase.PHASE_READY,
    cause: undefined,
    containerId: '',
    step: '',
  }
  a.agent.say({ $case: 'observed', observed })
  a.agent.say({ $case: 'heartbeat', heartbeat: { capacity: a.agent.capacity } })
  // Nothing came before the answer to its sign of life, and what it said changed nothing.
  expect((await a.agent.message()).body).toBeUndefined()
  expect(await ctx.db.assistant.findUnique({ where: { userId } })).toMatchObject({ status: 'PROVISIONING' })
  // A signing request in the name of b, over the connection of a.
  const { csrPem } = await csr(`CN=${b.hostId}`)
  const renewed = await new Promise<string>((resolve, reject) =>
    a.client.renew({ csrPem }, (error, answer) => (error ? reject(error) : resolve(answer.certificatePem))),
  )
  expect(renewed).toContain('BEGIN CERTIFICATE')
  const owners = await ctx.db.hostCertificate.groupBy({ by: ['hostId'], _count: true })
  expect(Object.fromEntries(owners.map((row) => [row.hostId, row._count]))).toEqual({
    [a.hostId]: 2,
    [b.hostId]: 1,
  })
  // A join token for any new host does not take over one that is there.
  const { token } = await createJoinToken({ ctx, input: { createdBy: actor } })
  const input = { token, csrPem, name: 'b' }
  await expect(enrollHost({ ctx, signer: authority, input })).rejects.toMatchObject({
    code: 'host_name_taken',
  })
})

test.each([-5, 5])(
  'S5: a control plane whose clock is %i minutes off is understood by its hosts',
  async (minutes) => {
    fleet = await createFleet({}, minutes * 60_000)
    const { agent, hostId } = await connected('skewed')
    agent.say({ $case: 'heartbeat', heartbeat: { capacity: agent.capacity } })
    expect((await agent.message()).ack).toBe(2n)
    expect(await fleet.ctx.db.hostServer.findUnique({ where: { id: hostId } })).toMatchObject({
      state: 'ACTIVE',
    })
  },
)

test('S7: the authority’s key is sealed where it is stored', async () => {
  const { ctx } = await start()
  const { keyEncrypted } = await ctx.db.certificateAuthority.findFirstOrThrow()
  expect(keyEncrypted).not.toContain('PRIVATE KEY')
  expect(await vault.open(keyEncrypted)).toContain('PRIVATE KEY')
})

test('O5: a replica that stops sends its hosts away one after the other, and takes none back', async () => {
  const { enroll, connect } = await start({ drainMs: 1_500, drainPaceMs: 700 })
  const [first, second] = [await connected('first'), await connected('second')]
  const late = await enroll('late')
  const isSecondGone = vi.fn()
  void second.agent.next('goAway').then(isSecondGone)
  const closed = fleet.server.close()
  expect((await first.agent.next('goAway')).goAway.reason).toBe('draining')
  expect(await open(connect(late)).ended).toBe('draining')
  expect(isSecondGone).not.toHaveBeenCalled()
  first.agent.call.resume()
  second.agent.call.resume()
  await closed
  expect(isSecondGone).toHaveBeenCalledOnce()
})

test('F4: an agent that holds more orphans than it may end hears an operator’s word', async () => {
  const { ctx } = await start()
  const { agent } = await connected('strays')
  agent.say({ $case: 'heartbeat', heartbeat: { capacity: { ...agent.capacity, heldOrphans: 3 } } })
  expect((await agent.message()).body).toBeUndefined()
  expect(await listHosts({ ctx })).toMatchObject([{ name: 'strays', heldOrphans: 3, capacity: 5 }])
  await removeOrphans({ ctx, input: { name: 'strays', actor } })
  expect((await agent.next('snapshot')).snapshot.removeOrphans).toBe(true)
  agent.say({ $case: 'heartbeat', heartbeat: { capacity: agent.capacity } })
  expect((await agent.message()).body).toBeUndefined()
  expect(await ctx.db.hostServer.findFirst()).toMatchObject({ heldOrphans: 0, orphanRemovalUntil: null })
})

test('a host that says more than a column holds is stored as far as it goes', async () => {
  const { ctx } = await start()
  const { agent } = await connected('liar')
  const max = 2n ** 64n - 1n
  const capacity = {
    ...agent.capacity,
    maxAssistants: 2 ** 32 - 1,
    memoryTotalBytes: max,
    diskTotalBytes: max,
  }
  agent.say({ $case: 'heartbeat', heartbeat: { capacity } })
  expect((await agent.message()).ack).toBe(2n)
  expect(await listHosts({ ctx })).toMatchObject([{ name: 'liar', capacity: 10_000, isConnected: true }])
})

test('S7: an authority that the keys do not open is not replaced', async () => {
  const { ctx } = await start()
  const { createVault } = await import('../lib/vault.ts')
  const other = createVault(`k1:${Buffer.alloc(32, 8).toString('base64')}`)
  const before = await ctx.db.certificateAuthority.findMany()
  await expect(openAuthority({ db: ctx.db, vault: other, clock: ctx.clock })).rejects.toThrow()
  expect(await ctx.db.certificateAuthority.findMany()).toEqual(before)
})
