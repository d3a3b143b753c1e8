import { type Observed, Phase } from '@yourclaw/proto/host/v1'
import { afterEach, expect, test, vi } from 'vitest'
import { inTransaction } from '../context.ts'
import { createAssistant } from '../services/assistant/create-assistant.ts'
import { lockAssistant } from '../services/assistant/lock-assistant.ts'
import { restartAssistant } from '../services/assistant/restart-assistant.ts'
import type { FleetTiming } from './deps.ts'
import { createFleet, type Fleet, open, vault } from './fixtures.ts'

let fleet: Fleet
afterEach(() => fleet.close())

async function start(timing: Partial<FleetTiming> = {}) {
  fleet = await createFleet(timing)
  return fleet
}
const session = (hostId: string) => fleet.ctx.db.hostSession.findUniqueOrThrow({ where: { hostId } })
const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 20 })

test('F3: a host that falls silent loses its session and its lease at once, and places go to others', async () => {
  const { ctx, enroll, connect, person } = await start({ sessionLeaseMs: 1_000 })
  const [frozen, living] = [await enroll('frozen'), await enroll('living')]
  const agent = open(connect(frozen))
  await agent.next('welcome')
  await agent.next('snapshot')
  const { connectedAt, leaseExpiresAt } = await session(frozen.hostId)
  expect(leaseExpiresAt.getTime() - connectedAt.getTime()).toBe(1_000)
  // It says nothing more.
  agent.call.resume()
  expect(await agent.ended).toBe('session_silent')
  await eventually(async () =>
    expect((await session(frozen.hostId)).leaseExpiresAt.getTime()).toBeLessThanOrEqual(Date.now()),
  )
  const other = open(connect(living))
  await other.next('welcome')
  await other.next('snapshot')
  const heartbeat = () => other.say({ $case: 'heartbeat', heartbeat: { capacity: other.capacity } })
  const beating = setInterval(heartbeat, 50)
  const userId = await person()
  await createAssistant({ ctx, vault, input: { userId } })
  clearInterval(beating)
  expect(await ctx.db.assistant.findUnique({ where: { userId } })).toMatchObject({
    hostServerId: living.hostId,
  })
})

test('F2: one that somebody holds while its host connects is placed as soon as it is let go', async () => {
  const { ctx, enroll, connect, person } = await start({ sweepMs: 3_600_000 })
  const userId = await person()
  await createAssistant({ ctx, vault, input: { userId } })
  const [held, letGo] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const holding = inTransaction(ctx, async (tx) => {
    await lockAssistant(tx, userId)
    held.resolve()
    await letGo.promise
  })
  await held.promise
  const agent = open(connect(await enroll()))
  await agent.next('welcome')
  expect((await agent.next('snapshot')).snapshot.assistants).toEqual([])
  letGo.resolve()
  await holding
  expect((await agent.next('delta')).delta.assistants).toMatchObject([{ userId, generation: 1 }])
})

test('F3: each sign of life renews the lease and is answered', async () => {
  const { clock, enroll, connect } = await start()
  const host = await enroll()
  const agent = open(connect(host))
  const { welcome } = await agent.next('welcome')
  expect(welcome).toMatchObject({ heartbeatIntervalMs: 10_000, sessionTimeoutMs: 30_000 })
  await agent.next('snapshot')
  const before = (await session(host.hostId)).leaseExpiresAt.getTime()
  clock.aheadMs = 10_000
  agent.say({ $case: 'heartbeat', heartbeat: { capacity: agent.capacity } })
  expect(await agent.message()).toMatchObject({ seq: 0n, ack: 2n, body: undefined })
  expect((await session(host.hostId)).leaseExpiresAt.getTime()).toBeGreaterThanOrEqual(before + 9_000)
})

test('S5: a session ends with its certificate, and that certificate opens no other', async () => {
  const { clock, enroll, connect } = await start()
  const host = await enroll()
  clock.aheadMs = host.notAfter.getTime() - Date.now() - 300
  const agent = open(connect(host))
  await agent.next('welcome')
  agent.call.resume()
  expect(await agent.ended).toBe('certificate_expired')
  expect(await open(connect(host)).ended).toBe('unauthenticated')
})

test('F3: reports of an older session, of an older generation or of one never asked for change nothing', async () => {
  const { ctx, notifications, enroll, connect, person } = await start()
  const host = await enroll()
  const userId = await person()
  const agent = open(connect(host))
  await agent.next('welcome')
  await agent.next('snapshot')
  await createAssistant({ ctx, vault, input: { userId } })
  const assistantId = (await agent.next('delta')).delta.assistants[0]?.assistantId ?? ''
  const report = (generation: number, phase: Phase, code = ''): Observed => ({
    assistantId,
    generation,
    phase,
    cause: code ? { code, detail: '' } : undefined,
    containerId: '',
    step: '',
  })
  const row = () => ctx.db.assistant.findUniqueOrThrow({ where: { userId } })
  agent.say({ $case: 'observed', observed: report(2, Phase.PHASE_READY) })
  agent.say({ $case: 'observed', observed: report(1, Phase.PHASE_READY) })
  await eventually(async () => expect(await row()).toMatchObject({ status: 'READY', observedGeneration: 1 }))
  await restartAssistant({ ctx, input: { userId } })
  await agent.next('delta')
  agent.say({ $case: 'observed', observed: report(2, Phase.PHASE_READY) })
  await eventually(async () => expect(await row()).toMatchObject({ observedGeneration: 2 }))
  agent.say({ $case: 'observed', observed: report(1, Phase.PHASE_FAILED, 'stale_generation') })
  agent.say({ $case: 'heartbeat', heartbeat: { capacity: agent.capacity } })
  // Read in order: once the sign of life is answered, the report before it was dealt with.
  expect((await agent.message()).body).toBeUndefined()
  const before = await row()
  expect(before).toMatchObject({ status: 'READY', observedGeneration: 2, lastErrorCode: null })

  // A newer session elsewhere: this replica has not noticed yet, the row has.
  await notifications.close()
  await ctx.db.hostSession.update({ where: { hostId: host.hostId }, data: { epoch: { increment: 1 } } })
  agent.say({ $case: 'observed', observed: report(2, Phase.PHASE_FAILED, 'stale_session') })
  expect((await agent.next('goAway')).goAway.reason).toBe('superseded')
  expect(await row()).toEqual(before)
})

test('F7: a crash loop of a ready assistant ends in ERROR with the host’s reason, and a restart is a new try', async () => {
  const { ctx, enroll, connect, person } = await start()
  const userId = await person()
  const agent = open(connect(await enroll()))
  await agent.next('welcome')
  await agent.next('snapshot')
  await createAssistant({ ctx, vault, input: { userId } })
  const assistantId = (await agent.next('delta')).delta.assistants[0]?.assistantId ?? ''
  const say = (generation: number, phase: Phase, code = '', detail = '') =>
    agent.say({
      $case: 'observed',
      observed: {
        assistantId,
        generation,
        phase,
        cause: code ? { code, detail } : undefined,
        containerId: '',
        step: '',
      },
    })
  const row = () => ctx.db.assistant.findUniqueOrThrow({ where: { userId } })
  say(1, Phase.PHASE_READY)
  say(1, Phase.PHASE_FAILED, 'crash_loop', 'The assistant ended 4 times in 10 minutes.')
  await eventually(async () =>
    expect(await row()).toMatchObject({
      status: 'ERROR',
      lastErrorCode: 'crash_loop',
      lastErrorDetail: 'The assistant ended 4 times in 10 minutes.',
    }),
  )
  await restartAssistant({ ctx, input: { userId } })
  expect((await agent.next('delta')).delta.assistants[0]).toMatchObject({ generation: 2, restartCount: 1 })
  expect(await row()).toMatchObject({ status: 'PROVISIONING' })
  say(2, Phase.PHASE_READY)
  await eventually(async () => expect(await row()).toMatchObject({ status: 'READY', lastErrorCode: null }))
})
