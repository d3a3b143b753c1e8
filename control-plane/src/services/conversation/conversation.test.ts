import { afterAll, beforeAll, expect, test } from 'vitest'
import { adoptTurns } from './adopt-turns.ts'
import { claimTurns } from './claim-turns.ts'
import { failTurn } from './fail-turn.ts'
import { finishTurn } from './finish-turn.ts'
import { createFixture, createPerson, type Fixture } from './fixtures.ts'
import { readTurnInput } from './read-turn-input.ts'
import { receiveMessage } from './receive-message.ts'
import { lockAssistant } from './rows.ts'
import { stopTurn } from './stop-turn.ts'
import { sweep } from './sweep.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

const claimOne = async (hostId: string, sessionEpoch = 1n) => {
  const { turns } = await claimTurns({ ctx: fixture.ctx, input: { hostId, sessionEpoch, limit: 5 } })
  const [turn] = turns
  if (!turn) throw new Error('nothing to claim')
  return turn.turnId
}
const notices = (userId: string) => fixture.db.message.findMany({ where: { userId, kind: 'NOTICE' } })

test('M2: 20 concurrent deliveries of one update are one message and one turn', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const results = await Promise.all(
    Array.from({ length: 20 }, () => fixture.receive(address, 'hi', `dup-${address}`)),
  )
  expect(results.filter((result) => result.outcome === 'accepted')).toHaveLength(1)
  expect(results.filter((result) => result.outcome === 'duplicate')).toHaveLength(19)
  expect(await fixture.db.message.count({ where: { userId } })).toBe(1)
  expect(await fixture.db.turn.count({ where: { assistant: { userId } } })).toBe(1)
  expect((await fixture.db.usageDaily.findFirstOrThrow({ where: { userId } })).inboundCount).toBe(1)
})

test('M4: three messages during a turn are one further turn, in order', async () => {
  const { userId, address, hostId } = await createPerson(fixture.db)
  await fixture.receive(address, 'first')
  const turnId = await claimOne(hostId)
  await fixture.receive(address, 'c', undefined, 5003n)
  await fixture.receive(address, 'a', undefined, 5001n)
  await fixture.receive(address, 'b', undefined, 5002n)
  const claim = { ctx: fixture.ctx, input: { hostId, sessionEpoch: 1n, limit: 5 } }
  expect((await claimTurns(claim)).turns).toEqual([])
  const finish = { ctx: fixture.ctx, input: { turnId, sessionEpoch: 1n, text: 'answer' } }
  const stored = await finishTurn(finish)
  expect(await finishTurn(finish)).toEqual(stored)
  const next = await claimOne(hostId)
  const read = { turnId: next, sessionEpoch: 1n, withHistory: true }
  const input = await readTurnInput({ ctx: fixture.ctx, input: read })
  expect(input.messages.map((message) => message.text)).toEqual(['a', 'b', 'c'])
  expect(input.history).toEqual([
    { fromAssistant: false, text: 'first' },
    { fromAssistant: true, text: 'answer' },
  ])
  await finishTurn({ ctx: fixture.ctx, input: { turnId: next, sessionEpoch: 1n, text: '' } })
  expect((await claimTurns(claim)).turns).toEqual([])
  expect((await fixture.db.usageDaily.findFirstOrThrow({ where: { userId } })).outboundCount).toBe(1)
})

test('M4: concurrent claims run one turn of an assistant', async () => {
  const { address, hostId } = await createPerson(fixture.db)
  await fixture.receive(address, 'hi')
  const claims = Array.from({ length: 10 }, () =>
    claimTurns({ ctx: fixture.ctx, input: { hostId, sessionEpoch: 1n, limit: 5 } }),
  )
  expect((await Promise.all(claims)).flatMap(({ turns }) => turns)).toHaveLength(1)
})

test('M15: a newer session takes running turns over, and the older one writes nothing', async () => {
  const { address, hostId } = await createPerson(fixture.db)
  await fixture.receive(address, 'hi')
  const turnId = await claimOne(hostId)
  await fixture.db.hostSession.update({ where: { hostId }, data: { epoch: 2n } })
  const adopt = (sessionEpoch: bigint) => adoptTurns({ ctx: fixture.ctx, input: { hostId, sessionEpoch } })
  expect(await adopt(2n)).toMatchObject([{ turnId, attempt: 1 }])
  const late = finishTurn({ ctx: fixture.ctx, input: { turnId, sessionEpoch: 1n, text: 'late' } })
  await expect(late).rejects.toMatchObject({ code: 'stale_epoch' })
  await expect(adopt(1n)).rejects.toMatchObject({ code: 'stale_epoch' })
  await fixture.db.hostSession.update({ where: { hostId }, data: { epoch: 3n } })
  expect(await adopt(3n)).toMatchObject([{ turnId, attempt: 1 }])
})

test('M5: a message waits for READY, and a long wait is told once', async () => {
  const { userId, address, hostId } = await createPerson(fixture.db)
  await fixture.db.assistant.update({ where: { userId }, data: { status: 'PROVISIONING' } })
  await fixture.receive(address, 'hi')
  const claim = { ctx: fixture.ctx, input: { hostId, sessionEpoch: 1n, limit: 5 } }
  expect((await claimTurns(claim)).turns).toEqual([])
  fixture.clock.at += 61_000
  await sweep({ ctx: fixture.ctx })
  await sweep({ ctx: fixture.ctx })
  expect((await notices(userId)).map((notice) => notice.code)).toEqual(['long_wait'])
  await fixture.db.assistant.update({ where: { userId }, data: { status: 'READY' } })
  expect((await claimTurns(claim)).turns).toHaveLength(1)
})

test('M8: a turn that fails for good is told, not counted and not shown to the model', async () => {
  const { userId, address, hostId } = await createPerson(fixture.db)
  await fixture.receive(address, 'lost')
  const turnId = await claimOne(hostId)
  const fail = () =>
    failTurn({ ctx: fixture.ctx, input: { turnId, sessionEpoch: 1n, code: 'model_error', retryable: true } })
  expect([await fail(), await fail(), await fail()]).toEqual([
    { retryAfterMs: 1000, attempt: 2, outcome: 'waiting' },
    { retryAfterMs: 4000, attempt: 3, outcome: 'waiting' },
    { retryAfterMs: null, attempt: 3, outcome: 'failed' },
  ])
  expect(await notices(userId)).toHaveLength(1)
  expect((await fixture.db.usageDaily.findFirstOrThrow({ where: { userId } })).outboundCount).toBe(0)
  await fixture.receive(address, 'next')
  const read = { turnId: await claimOne(hostId), sessionEpoch: 1n, withHistory: true }
  expect((await readTurnInput({ ctx: fixture.ctx, input: read })).history).toEqual([])
})

test('M4: a turn whose assistant is locked for a moment is passed over, and said to be', async () => {
  const { userId, address, hostId } = await createPerson(fixture.db)
  await fixture.receive(address, 'hi')
  const claim = () => claimTurns({ ctx: fixture.ctx, input: { hostId, sessionEpoch: 1n, limit: 5 } })
  await fixture.db.$transaction(async (tx) => {
    await lockAssistant(tx, userId)
    expect(await claim()).toEqual({ turns: [], passedOver: true })
  })
  expect(await claim()).toMatchObject({ turns: [{ userId }], passedOver: false })
})

test('M4: messages of two channels are one turn, and its answer goes where the newest came from', async () => {
  const { userId, address, hostId } = await createPerson(fixture.db)
  const { ctx, db } = fixture
  await fixture.receive(address, 'from the phone')
  const web = { channel: 'WEB', address: userId, providerMessageId: crypto.randomUUID() } as const
  await receiveMessage({ ctx, input: { ...web, body: 'from the desk' } })
  const { turns } = await claimTurns({ ctx, input: { hostId, sessionEpoch: 1n, limit: 1 } })
  const [turn] = turns
  expect(turn?.input).toMatchObject({
    messages: [{ text: 'from the phone' }, { text: 'from the desk' }],
    channel: 'WEB',
  })
  await finishTurn({ ctx, input: { turnId: turn?.turnId ?? '', sessionEpoch: 1n, text: 'answer' } })
  const answer = await db.message.findFirstOrThrow({ where: { userId, direction: 'OUTBOUND' } })
  expect(answer).toMatchObject({ channel: 'WEB', address: userId, body: 'answer' })
})

test('M11: a turn that somebody stopped is not tried again', async () => {
  const { userId, address, hostId } = await createPerson(fixture.db)
  await fixture.receive(address, 'never mind')
  const turnId = await claimOne(hostId)
  expect(await stopTurn({ ctx: fixture.ctx, input: { userId } })).toEqual({ stopping: true })
  const failed = { turnId, sessionEpoch: 1n, code: 'gateway_error', retryable: true }
  expect(await failTurn({ ctx: fixture.ctx, input: failed })).toEqual({
    retryAfterMs: null,
    attempt: 1,
    outcome: 'canceled',
  })
  expect(await notices(userId)).toMatchObject([{ code: 'stopped' }])
})

test('M7: an answer is stored with its parts, and hostile characters do no harm', async () => {
  const { userId, address, hostId } = await createPerson(fixture.db)
  await fixture.receive(address, 'nul \u0000 and lone \ud800')
  const turnId = await claimOne(hostId)
  const text = `${'word '.repeat(1500)}\u0000`
  await finishTurn({ ctx: fixture.ctx, input: { turnId, sessionEpoch: 1n, text } })
  const parts = await fixture.db.delivery.findMany({ where: { userId }, orderBy: { part: 'asc' } })
  expect(parts.map((part) => part.part)).toEqual([0, 1])
})

test('M10: an unknown sender is answered once a day', async () => {
  const address = 'stranger'
  const before = fixture.told.length
  await Promise.all([
    fixture.receive(address, 'a'),
    fixture.receive(address, 'b'),
    fixture.receive(address, 'c'),
  ])
  expect(fixture.told.length - before).toBe(1)
  fixture.clock.at += 86_400_000
  expect((await fixture.receive(address, 'd')).outcome).toBe('unknown_sender')
  expect(fixture.told.length - before).toBe(2)
})

test('entitlement: past due with grace is answered, without it is refused and told once a day', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const setGrace = (graceEnd: Date) =>
    fixture.db.subscription.updateMany({ where: { userId }, data: { status: 'PAST_DUE', graceEnd } })
  await setGrace(new Date(fixture.clock.at + 1000))
  expect((await fixture.receive(address, 'a')).outcome).toBe('accepted')
  await setGrace(new Date(fixture.clock.at - 1000))
  expect((await fixture.receive(address, 'b')).outcome).toBe('refused')
  expect((await fixture.receive(address, 'c')).outcome).toBe('refused')
  expect(await notices(userId)).toHaveLength(1)
})

test('M14: limits hold under concurrency, are told once, and the day is the user’s own', async () => {
  const limited = await createFixture({ perDay: 5, perMinute: 3 })
  try {
    const { userId, address } = await createPerson(limited.db, { timeZone: 'Pacific/Auckland' })
    const burst = async () => {
      const sent = await Promise.all(Array.from({ length: 12 }, () => limited.receive(address, 'x')))
      return sent.filter((result) => result.outcome === 'accepted').length
    }
    // 23:58 in Auckland (UTC+13).
    limited.clock.at = Date.parse('2026-03-10T10:58:00Z')
    expect(await burst()).toBe(3)
    limited.clock.at += 60_000
    expect(await burst()).toBe(2)
    const told = await limited.db.message.findMany({
      where: { userId, kind: 'NOTICE' },
      orderBy: { seq: 'asc' },
    })
    expect(told.map((notice) => notice.code)).toEqual(['minute_limit', 'day_limit'])
    expect(told[1]?.body).toContain('You can write again in 1 minute.')
    limited.clock.at += 60_000
    expect(await burst()).toBe(3)
  } finally {
    await limited.close()
  }
})
