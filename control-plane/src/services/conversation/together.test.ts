import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TurnWithInput } from './claim.ts'
import { claimTurns } from './claim-turns.ts'
import { finishTogether } from './finish-together.ts'
import { createFixture, createPerson, type Fixture } from './fixtures.ts'
import { createKnownOwners } from './known-owners.ts'
import { receiveTogether } from './receive-together.ts'
import { lockAssistant } from './rows.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

const message = (address: string, body: string, id: string = crypto.randomUUID()) =>
  ({ channel: 'TELEGRAM', address, body, providerMessageId: id }) as const
const receive = (inputs: ReturnType<typeof message>[]) =>
  receiveTogether({ ctx: fixture.ctx, owners: createKnownOwners(fixture.ctx.pool), inputs })
/** The host's session is on this replica, with that many places. */
function openHere(hostId: string, places: number, sessionEpoch = 1n) {
  const taken: TurnWithInput[] = []
  const reserve = (most: number) => ({
    places: Math.min(most, places),
    sessionEpoch,
    take: (turns: TurnWithInput[]) => void taken.push(...turns),
  })
  fixture.ctx.hostsHere.set(hostId, { reserve })
  return taken
}

test('M2, M3: what is ordinary is stored together; strangers, duplicates and refusals are left alone', async () => {
  const [ada, bob, unpaid] = await Promise.all(Array.from({ length: 3 }, () => createPerson(fixture.db)))
  if (!ada || !bob || !unpaid) throw new Error('no people')
  await fixture.db.subscription.deleteMany({ where: { userId: unpaid.userId } })
  await receive([message(bob.address, 'before', 'same')])
  const inputs = [
    message(ada.address, 'one'),
    message('stranger', 'hi'),
    message(bob.address, 'before', 'same'),
    message(unpaid.address, 'hi'),
  ]
  expect(await receive(inputs)).toEqual([{ messageId: expect.any(String) }, null, null, null])
  expect(await fixture.db.message.count({ where: { userId: bob.userId } })).toBe(1)
  expect(await fixture.db.message.count({ where: { userId: unpaid.userId } })).toBe(0)
  expect(await fixture.db.usageDaily.count({ where: { userId: unpaid.userId } })).toBe(0)
})

test('I1, I2: what was known of an address counts only while it holds', async () => {
  const [before, after] = await Promise.all([createPerson(fixture.db), createPerson(fixture.db)])
  const owners = createKnownOwners(fixture.ctx.pool)
  const write = (body: string) =>
    receiveTogether({ ctx: fixture.ctx, owners, inputs: [message(before.address, body)] })
  const stored = [{ messageId: expect.any(String) }]
  expect(await write('mine')).toEqual(stored)
  await fixture.db.userPhone.updateMany({
    where: { userId: before.userId },
    data: { unboundAt: new Date() },
  })
  await fixture.db.userPhone.updateMany({
    where: { userId: after.userId },
    data: { address: before.address },
  })
  // Nothing is written on what is not true any more; the next one is whose it now is.
  expect(await write('whose?')).toEqual([null])
  expect(await write('theirs')).toEqual(stored)
  const bodies = (userId: string) =>
    fixture.db.message.findMany({ where: { userId }, select: { body: true } })
  expect(await bodies(before.userId)).toEqual([{ body: 'mine' }])
  expect(await bodies(after.userId)).toEqual([{ body: 'theirs' }])
})

test('F8: a person whose assistant somebody holds keeps nobody of the batch waiting', async () => {
  const [held, free] = await Promise.all([createPerson(fixture.db), createPerson(fixture.db)])
  const results = await fixture.db.$transaction(async (tx) => {
    await lockAssistant(tx, held.userId)
    return receive([message(held.address, 'hi'), message(free.address, 'hi')])
  })
  expect(results).toEqual([null, { messageId: expect.any(String) }])
})

test('M14: the limit of the day holds in a batch', async () => {
  const limited = await createFixture({ perDay: 1 })
  const { address } = await createPerson(limited.db)
  const batch = (body: string) =>
    receiveTogether({
      ctx: limited.ctx,
      owners: createKnownOwners(limited.ctx.pool),
      inputs: [message(address, body)],
    })
  expect([await batch('one'), await batch('two')]).toEqual([[{ messageId: expect.any(String) }], [null]])
  await limited.close()
})

test('M4, M15: a message is claimed as it is stored, for the newest session of its host and one at a time', async () => {
  const { address, hostId, userId } = await createPerson(fixture.db)
  const stale = openHere(hostId, 5, 0n)
  await receive([message(address, 'first')])
  expect(stale).toEqual([])
  const taken = openHere(hostId, 5)
  await receive([message(address, 'second')])
  expect(taken).toMatchObject([{ attempt: 1, input: { messages: [{ text: 'first' }, { text: 'second' }] } }])
  await receive([message(address, 'third')])
  expect(taken).toHaveLength(1)
  const turns = await fixture.db.turn.findMany({
    where: { assistant: { userId } },
    orderBy: { createdAt: 'asc' },
  })
  expect(turns.map(({ state }) => state).sort()).toEqual(['PENDING', 'RUNNING'])
})

test('a host without a free place is handed nothing, and its turn waits', async () => {
  const { address, hostId } = await createPerson(fixture.db)
  const taken = openHere(hostId, 0)
  await receive([message(address, 'hi')])
  expect(taken).toEqual([])
  const claim = { ctx: fixture.ctx, input: { hostId, sessionEpoch: 1n, limit: 5 } }
  expect((await claimTurns(claim)).turns).toHaveLength(1)
})

test('M15: answers are stored together; one of an older session writes nothing', async () => {
  const people = await Promise.all(Array.from({ length: 3 }, () => createPerson(fixture.db)))
  const turnIds = await Promise.all(
    people.map(async ({ address, hostId }) => {
      const taken = openHere(hostId, 1)
      await receive([message(address, 'hi')])
      return taken[0]?.turnId ?? ''
    }),
  )
  const inputs = turnIds.map((turnId, index) => ({
    turnId,
    sessionEpoch: index === 1 ? 0n : 1n,
    text: `answer ${index}`,
  }))
  const stored = { messageId: expect.any(String) }
  expect(await finishTogether({ ctx: fixture.ctx, inputs })).toEqual([stored, null, stored])
  expect(await finishTogether({ ctx: fixture.ctx, inputs })).toEqual([null, null, null])
  const answers = await fixture.db.message.findMany({
    where: { turnId: { in: turnIds }, direction: 'OUTBOUND' },
    include: { deliveries: true, turn: true },
  })
  expect(answers.map(({ body }) => body).sort()).toEqual(['answer 0', 'answer 2'])
  expect(answers.every(({ deliveries, turn }) => deliveries.length === 1 && turn?.state === 'DONE')).toBe(
    true,
  )
})
