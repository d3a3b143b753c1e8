import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestApp, type TestApp } from '../../testing/open-app.ts'
import { openHostSession } from '../host/host-session.ts'
import { awaitArchive, readArchive } from './await-archive.ts'
import { claimOperations } from './claim-operations.ts'
import { finishOperation } from './finish-operation.ts'
import { requestArchive } from './request-archive.ts'
import { storeArchive } from './store-archive.ts'

let world: TestApp
let hostId: string
beforeAll(async () => {
  world = await openTestApp()
  hostId = (await world.deps.db.hostServer.create({ data: { name: 'host', maxContainers: 5 } })).id
})
afterAll(() => world.close())

const connect = async () => {
  const hello = { agentVersion: '1', runtime: 'fake', ip: '', capacity: undefined }
  const input = { hostId, replica: 'test', leaseMs: 60_000, ...hello }
  return (await openHostSession({ ctx: world.deps.ctx, input })).epoch
}
const claim = (sessionEpoch: bigint) =>
  claimOperations({ ctx: world.deps.ctx, input: { hostId, sessionEpoch, limit: 5 } })

async function request(deadlineMs = 60_000): Promise<string> {
  const { db, ctx, vault } = world.deps
  const { id: userId } = await world.signUp()
  await db.assistant.update({
    where: { userId },
    data: { hostServerId: hostId, desired: 'PRESENT', status: 'READY' },
  })
  const asked = await requestArchive({ ctx, vault, input: { userId, deadlineMs } })
  return asked?.operationId ?? ''
}

function incoming(content: Buffer, claimed: { bytes?: bigint; sha256?: string } = {}) {
  const sha256 = createHash('sha256').update(content).digest('hex')
  async function* chunks() {
    yield content.subarray(0, 3)
    yield content.subarray(3)
  }
  return { chunks: chunks(), expected: () => ({ bytes: BigInt(content.length), sha256, ...claimed }) }
}
const store = (operationId: string, from: ReturnType<typeof incoming>) =>
  storeArchive({ ...world.deps, input: { operationId, incoming: from, signal: AbortSignal.timeout(10_000) } })

test('F3: an operation is run by the newest session alone, and taken over from one that is gone', async () => {
  const { ctx } = world.deps
  const operationId = await request()
  const first = await connect()
  expect(await claim(first)).toMatchObject([{ operationId, kind: 'ARCHIVE' }])
  expect(await claim(first)).toEqual([])
  const second = await connect()
  await expect(claim(first)).rejects.toMatchObject({ code: 'stale_epoch' })
  expect(await claim(second)).toMatchObject([{ operationId }])
  const finish = (sessionEpoch: bigint) =>
    finishOperation({ ctx, input: { operationId, hostId, sessionEpoch, result: { sizeBytes: 1n } } })
  await expect(finish(first)).rejects.toMatchObject({ code: 'stale_epoch' })
  await finish(second)
  await expect(finish(second)).rejects.toMatchObject({ code: 'stale_epoch' })
  expect(await claim(second)).toEqual([])
})

test('D1: what a host hands over is stored sealed, and not at all when it is not what was sent', async () => {
  const { ctx, vault, store: files } = world.deps
  const operationId = await request()
  const content = Buffer.from('memory and workspace')
  for (const lie of [{ bytes: 7n }, { sha256: '0'.repeat(64) }]) {
    await expect(store(operationId, incoming(content, lie))).rejects.toMatchObject({
      code: 'archive_damaged',
    })
  }
  expect(await files.list('operations/')).toEqual([])
  const result = await store(operationId, incoming(content))
  expect(result).toEqual({ sizeBytes: BigInt(content.length) })
  expect((await buffer(await files.get(`operations/${operationId}`))).includes('memory')).toBe(false)
  const sessionEpoch = await connect()
  await claim(sessionEpoch)
  await finishOperation({ ctx, input: { operationId, hostId, sessionEpoch, result } })
  await awaitArchive({ ctx, input: { operationId, signal: AbortSignal.timeout(10_000) } })
  expect(
    (await buffer(await readArchive({ ctx, vault, store: files, input: { operationId } }))).equals(content),
  ).toBe(true)
})

test('F8: a host that is away is waited for until the deadline, and finds then that nobody waits', async () => {
  const { ctx } = world.deps
  const operationId = await request(0)
  const sessionEpoch = await connect()
  expect(await claim(sessionEpoch)).toEqual([])
  const waited = awaitArchive({ ctx, input: { operationId, signal: AbortSignal.timeout(10_000) } })
  await expect(waited).rejects.toMatchObject({ code: 'host_away', retryable: true })
  const late = { operationId, hostId, sessionEpoch, result: { sizeBytes: 1n } }
  await expect(finishOperation({ ctx, input: late })).rejects.toMatchObject({ code: 'stale_epoch' })
})

test('D1: whoever has no assistant on a host is asked for nothing', async () => {
  const { ctx, vault } = world.deps
  const { id: userId } = await world.signUp()
  expect(await requestArchive({ ctx, vault, input: { userId, deadlineMs: 1_000 } })).toBeNull()
})
