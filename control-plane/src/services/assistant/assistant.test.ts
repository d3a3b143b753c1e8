import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { type Observed, Phase, Presence } from '@yourclaw/proto/host/v1'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Ctx, inTransaction, systemClock } from '../../context.ts'
import { createVault } from '../../lib/vault.ts'
import { testSettings } from '../../testing/settings.ts'
import { watchFleet } from '../alert/watch-fleet.ts'
import { cordonHost, uncordonHost } from '../host/cordon-host.ts'
import { openHostSession } from '../host/host-session.ts'
import { defaultAt } from '../model/catalogue.ts'
import { applyObserved } from './apply-observed.ts'
import { changeModel } from './change-model.ts'
import { createAssistant, createAssistantIn, newSecrets } from './create-assistant.ts'
import { deleteAssistant } from './delete-assistant.ts'
import { desiredState } from './desired-state.ts'
import { getAssistant } from './get-assistant.ts'
import { placeWaiting } from './place-waiting.ts'
import { restartAssistant } from './restart-assistant.ts'

const vault = createVault(`k1:${Buffer.alloc(32, 7).toString('base64')}`)
let database: TestDatabase
let ctx: Ctx

beforeEach(async () => {
  database = await createTestDatabase()
  ctx = {
    db: database.db,
    clock: systemClock,
    log: pino({ level: 'silent' }),
    settings: testSettings,
  }
})
afterEach(() => database.close())

async function person(entitled = true): Promise<string> {
  const { id } = await ctx.db.user.create({ data: { email: `${crypto.randomUUID()}@example.com` } })
  if (entitled) await ctx.db.subscription.create({ data: { userId: id, status: 'ACTIVE' } })
  return id
}
async function host(maxContainers: number, name = 'host-1') {
  const { id } = await ctx.db.hostServer.create({ data: { name, maxContainers } })
  const open = {
    hostId: id,
    replica: 'r',
    agentVersion: '1.0.0',
    runtime: 'fake',
    ip: '',
    capacity: undefined,
    leaseMs: 30_000,
  }
  const { epoch } = await openHostSession({ ctx, input: open })
  return { hostId: id, sessionEpoch: epoch, open }
}
const create = (userId: string) => createAssistant({ ctx, vault, input: { userId } })
const view = (userId: string) => getAssistant({ ctx, input: { userId } })
const taken = async (hostId: string) =>
  (await ctx.db.hostServer.findUniqueOrThrow({ where: { id: hostId } })).currentContainers
const firstReady: string[] = []
async function report(
  at: { hostId: string; sessionEpoch: bigint },
  userId: string,
  phase: Phase,
  more: Partial<Observed> = {},
) {
  const assistant = await ctx.db.assistant.findUniqueOrThrow({ where: { userId } })
  const observed: Observed = {
    assistantId: assistant.id,
    generation: assistant.desiredGeneration,
    phase,
    cause: undefined,
    containerId: 'c1',
    step: '',
    ...more,
  }
  return applyObserved({
    ctx,
    input: { hostId: at.hostId, sessionEpoch: at.sessionEpoch, observed },
    onFirstReady: async (_tx, { userId }) => void firstReady.push(userId),
  })
}

test('F2: fifty people creating at once never over-book a host, and the rest wait', async () => {
  const hosts = [await host(15, 'a'), await host(15, 'b')]
  const people = await Promise.all(Array.from({ length: 50 }, () => person()))
  await Promise.all(people.map(create))
  expect(await Promise.all(hosts.map((at) => taken(at.hostId)))).toEqual([15, 15])
  const rows = await ctx.db.assistant.groupBy({ by: ['hostServerId'], _count: true })
  expect(rows.map((row) => row._count).sort()).toEqual([15, 15, 20])
  expect(await ctx.db.provisioningJob.count({ where: { status: 'PENDING', step: 'queued' } })).toBe(20)
  await ctx.db.hostServer.updateMany({ data: { maxContainers: 18 } })
  const [one, other] = await Promise.all([placeWaiting({ ctx }), placeWaiting({ ctx })])
  expect(one.placed + other.placed).toBe(6)
  expect(await Promise.all(hosts.map((at) => taken(at.hostId)))).toEqual([18, 18])
}, 30_000)

test('F2: who finds no host while one connects is placed by it', async () => {
  const userId = await person()
  const secrets = await newSecrets(vault)
  const [decided, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const creating = inTransaction(ctx, async (tx) => {
    await createAssistantIn(tx, ctx, secrets, { userId })
    decided.resolve()
    await commit.promise
  })
  await decided.promise
  const { hostId } = await host(1)
  expect(await placeWaiting({ ctx })).toEqual({ placed: 0, passedOver: true })
  commit.resolve()
  await creating
  expect(await placeWaiting({ ctx })).toEqual({ placed: 1, passedOver: false })
  expect(await ctx.db.assistant.findUnique({ where: { userId } })).toMatchObject({ hostServerId: hostId })
})

test('F2: assistants go where slots and memory are free, and never to a host that is full, cordoned, silent or out of disk', async () => {
  const gib = 1024n ** 3n
  const at = (name: string, more: object) =>
    ctx.db.hostServer.update({
      where: { name },
      data: { runtime: 'docker', memoryTotalBytes: 32n * gib, memoryFreeBytes: 16n * gib, ...more },
    })
  for (const name of ['away', 'cordoned', 'disk', 'half', 'idle', 'memory']) await host(10, name)
  await at('away', {})
  await ctx.db.hostSession.updateMany({
    where: { host: { name: 'away' } },
    data: { leaseExpiresAt: new Date(Date.now() - 1) },
  })
  await at('cordoned', { state: 'CORDONED' })
  await at('disk', { diskTotalBytes: 100n, diskFreeBytes: 9n })
  await at('half', { currentContainers: 6 })
  await at('idle', { memoryFreeBytes: 13n * gib })
  // Room for two, one of which is taken by the first that is on its way up.
  await at('memory', { memoryFreeBytes: gib, memoryTotalBytes: gib })
  const places: string[] = []
  for (let count = 0; count < 5; count++) {
    const userId = await person()
    await create(userId)
    places.push((await view(userId)).host ?? 'none')
  }
  expect(places).toEqual(['memory', 'memory', 'idle', 'half', 'idle'])
})

test('F2: a cordoned host keeps what it has and takes nobody; uncordoned, it takes who waited', async () => {
  const { hostId } = await host(5)
  const [first, second] = [await person(), await person()]
  await create(first)
  const input = { name: 'host-1', actor: 'operator:test' }
  await cordonHost({ ctx, input })
  await create(second)
  expect(await view(second)).toMatchObject({ job: { status: 'PENDING', step: 'queued' } })
  // Somebody who waits for a moment is no alert; who goes on waiting is.
  await watchFleet({ ctx })
  expect(await ctx.db.alert.findMany()).toEqual([])
  await watchFleet({ ctx: { ...ctx, clock: { now: () => Date.now() + 31_000 } } })
  expect(await ctx.db.alert.findMany()).toMatchObject([{ cause: 'no_capacity', endedAt: null }])
  expect(await taken(hostId)).toBe(1)
  await uncordonHost({ ctx, input })
  expect(await view(second)).toMatchObject({ host: 'host-1', job: { status: 'PENDING', step: 'placed' } })
  await watchFleet({ ctx })
  expect(await ctx.db.alert.count({ where: { endedAt: null } })).toBe(0)
  const audit = await ctx.db.auditEvent.findMany({ orderBy: { createdAt: 'asc' } })
  expect(audit.map(({ action }) => action)).toEqual(['host.cordoned', 'host.uncordoned'])
})

test('F2: what is shown as taken is what is placed, whatever moved the figure', async () => {
  const at = await host(5)
  const [kept, gone] = [await person(), await person()]
  await create(kept)
  await create(gone)
  await ctx.db.user.delete({ where: { id: gone } })
  expect(await taken(at.hostId)).toBe(2)
  await openHostSession({ ctx, input: at.open })
  expect(await taken(at.hostId)).toBe(1)
})

test('F1: creating is idempotent, and READY completes the job and greets once', async () => {
  const at = await host(2)
  const userId = await person()
  await Promise.all([create(userId), create(userId), create(userId)])
  expect(await taken(at.hostId)).toBe(1)
  expect(await view(userId)).toMatchObject({
    status: 'PROVISIONING',
    generation: 1,
    host: 'host-1',
    model: defaultAt(ctx.clock.now()),
  })
  await report(at, userId, Phase.PHASE_STARTING, { step: 'pulling' })
  expect((await view(userId)).job).toMatchObject({ status: 'RUNNING', step: 'pulling' })
  firstReady.length = 0
  await report(at, userId, Phase.PHASE_READY)
  await report(at, userId, Phase.PHASE_READY)
  expect(firstReady).toEqual([userId])
  expect(await view(userId)).toMatchObject({ status: 'READY', job: { status: 'COMPLETED', step: 'ready' } })
  const [spec] = await desiredState({ ctx, vault, input: { hostId: at.hostId } })
  expect(spec).toMatchObject({ userId, generation: 1, presence: Presence.PRESENCE_RUNNING })
  expect(spec?.gatewayToken).not.toBe(spec?.virtualKey)
})

test('F1: a model change and a restart raise the generation and keep READY; stale reports are refused', async () => {
  const at = await host(2)
  const userId = await person()
  await create(userId)
  await report(at, userId, Phase.PHASE_READY)
  await changeModel({ ctx, input: { userId, model: 'openai/gpt-4o' } })
  await restartAssistant({ ctx, input: { userId } })
  expect(await view(userId)).toMatchObject({ status: 'READY', generation: 3, model: 'openai/gpt-4o' })
  expect(await ctx.db.changeLog.findMany({ orderBy: { generation: 'asc' }, select: { kind: true } })).toEqual(
    [{ kind: 'CREATE' }, { kind: 'MODEL' }, { kind: 'RESTART' }],
  )
  await report(at, userId, Phase.PHASE_READY)
  expect(await ctx.db.provisioningJob.count({ where: { status: 'COMPLETED' } })).toBe(3)
  expect(await report(at, userId, Phase.PHASE_READY, { generation: 2 })).toBe(false)
  expect(await report(at, userId, Phase.PHASE_READY, { generation: 4 })).toBe(false)
  await openHostSession({ ctx, input: at.open })
  await expect(report(at, userId, Phase.PHASE_READY)).rejects.toMatchObject({ code: 'stale_epoch' })
  await expect(changeModel({ ctx, input: { userId, model: 'x/y' } })).rejects.toMatchObject({
    code: 'unknown_model',
  })
})

test('it began when it was asked for: a change or a restart makes no new one, a deletion and another wish do', async () => {
  const at = await host(1)
  const userId = await person()
  const began = async () => (await view(userId)).createdAt ?? ''
  await create(userId)
  await report(at, userId, Phase.PHASE_READY)
  const first = await began()
  expect(Math.abs(Date.parse(first) - Date.now())).toBeLessThan(60_000)
  await restartAssistant({ ctx, input: { userId } })
  expect(await began()).toBe(first)
  await deleteAssistant({ ctx, input: { userId } })
  await report(at, userId, Phase.PHASE_ABSENT)
  await create(userId)
  expect(Date.parse(await began())).toBeGreaterThan(Date.parse(first))
})

test('F4: deleting during provisioning ends with NONE and a free slot once the host confirmed it', async () => {
  const at = await host(1)
  const userId = await person()
  const waiting = await person()
  await create(userId)
  await create(waiting)
  await deleteAssistant({ ctx, input: { userId } })
  expect(await report(at, userId, Phase.PHASE_READY, { generation: 1 })).toBe(false)
  expect(await report(at, userId, Phase.PHASE_ABSENT, { generation: 1 })).toBe(false)
  await expect(create(userId)).rejects.toMatchObject({ code: 'assistant_being_deleted' })
  expect(await report(at, userId, Phase.PHASE_ABSENT)).toBe(true)
  const none = await view(userId)
  expect(none).toMatchObject({ status: 'NONE', job: { status: 'COMPLETED', step: 'deleted' } })
  expect(none).not.toHaveProperty('createdAt')
  expect(await report(at, userId, Phase.PHASE_ABSENT)).toBe(false)
  expect(await taken(at.hostId)).toBe(0)
  expect(await placeWaiting({ ctx })).toEqual({ placed: 1, passedOver: false })
  await deleteAssistant({ ctx, input: { userId: waiting } })
  await report(at, waiting, Phase.PHASE_ABSENT)
  await create(userId)
  expect(await view(userId)).toMatchObject({ status: 'PROVISIONING', generation: 3 })
})

test('F4: deleting an assistant that no host ever had ends with NONE at once', async () => {
  const userId = await person()
  await create(userId)
  await deleteAssistant({ ctx, input: { userId } })
  expect(await view(userId)).toMatchObject({ status: 'NONE' })
})

test('F1: a failure is tried three times, counted once each, then is an ERROR that a person can retry', async () => {
  const at = await host(1)
  const userId = await person()
  await create(userId)
  const cause = { code: 'image_missing', detail: 'The image is not there.' }
  await report(at, userId, Phase.PHASE_FAILED, { cause })
  expect(await report(at, userId, Phase.PHASE_FAILED, { cause, generation: 1 })).toBe(false)
  expect(await view(userId)).toMatchObject({ status: 'PROVISIONING', job: { attempts: 1 } })
  await report(at, userId, Phase.PHASE_FAILED, { cause })
  await report(at, userId, Phase.PHASE_FAILED, { cause })
  expect(await view(userId)).toMatchObject({
    status: 'ERROR',
    lastError: cause,
    job: { status: 'FAILED', attempts: 3 },
  })
  const mails = await ctx.db.mail.findMany({ orderBy: { id: 'asc' } })
  const failed = ['provisioning-failed', 'operator-provisioning-failed']
  expect(mails.map(({ template }) => template).filter((name) => failed.includes(name))).toEqual(failed)
  await create(userId)
  expect(await view(userId)).toMatchObject({ status: 'PROVISIONING' })
  expect(await taken(at.hostId)).toBe(1)
})

test('F5: a change that its host undid is a failed job of an assistant that goes on, and the next good one clears it', async () => {
  const at = await host(1)
  const userId = await person()
  await create(userId)
  await report(at, userId, Phase.PHASE_READY)
  await changeModel({ ctx, input: { userId, model: 'openai/gpt-4o' } })
  const cause = { code: 'update_failed', detail: 'The new image did not get ready.' }
  await report(at, userId, Phase.PHASE_READY, { cause })
  const undone = { status: 'READY', lastError: cause, job: { status: 'FAILED', step: 'undone' } }
  expect(await view(userId)).toMatchObject(undone)
  await restartAssistant({ ctx, input: { userId } })
  const full = { code: 'disk_nearly_full', detail: '81 % of its disk is used.' }
  await report(at, userId, Phase.PHASE_READY, { cause: full })
  expect(await view(userId)).toMatchObject({ status: 'READY', lastError: full, job: { status: 'COMPLETED' } })
  await report(at, userId, Phase.PHASE_READY)
  expect(await view(userId)).not.toHaveProperty('lastError')
})

test('I9, S5: a host says nothing about an assistant of another host, and one person changes nothing of another', async () => {
  const at = await host(5)
  const other = await host(0, 'host-2')
  const [mine, theirs] = [await person(), await person()]
  await create(mine)
  await create(theirs)
  expect(await report(other, mine, Phase.PHASE_READY)).toBe(false)
  await deleteAssistant({ ctx, input: { userId: theirs } })
  expect((await view(mine)).generation).toBe(1)
  expect(await desiredState({ ctx, vault, input: { hostId: other.hostId } })).toEqual([])
  expect(await taken(at.hostId)).toBe(2)
})

test('without a live subscription nothing is created', async () => {
  const userId = await person(false)
  await expect(create(userId)).rejects.toMatchObject({ status: 402, code: 'not_entitled' })
  const graced = await person(false)
  await ctx.db.subscription.create({
    data: { userId: graced, status: 'PAST_DUE', graceEnd: new Date(Date.now() + 60_000) },
  })
  await create(graced)
})
