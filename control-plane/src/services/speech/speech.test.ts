import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { samplePhoto } from '../../../../sandbox/src/samples.ts'
import { createVault } from '../../lib/vault.ts'
import { plan } from '../../plan.ts'
import { openStore } from '../../storage/open-store.ts'
import type { Store } from '../../storage/store.ts'
import { updateProfile } from '../account/update-profile.ts'
import { claimTurns } from '../conversation/claim-turns.ts'
import { createFixture, createPerson, type Fixture } from '../conversation/fixtures.ts'
import { listMessages } from '../conversation/list-messages.ts'
import { receiveMessage } from '../conversation/receive-message.ts'
import { stopTurn } from '../conversation/stop-turn.ts'
import { releaseHeld } from './release-held.ts'
import { type Spoken, takeSpoken } from './take-spoken.ts'

const vault = createVault(`k1:${Buffer.alloc(32, 7).toString('base64')}`)
let fixture: Fixture
let folder: string
let store: Store
beforeAll(async () => {
  fixture = await createFixture()
  folder = await mkdtemp(join(tmpdir(), 'speech-'))
  store = openStore(pathToFileURL(folder).href, { accessKeyId: undefined, secretAccessKey: undefined })
})
afterAll(async () => {
  await fixture.close()
  await rm(folder, { recursive: true, force: true })
})

type Person = Awaited<ReturnType<typeof newPerson>>

async function newPerson(options: Parameters<typeof createPerson>[1] = {}) {
  const person = await createPerson(fixture.db, options)
  const { id } = await fixture.db.assistant.findUniqueOrThrow({ where: { userId: person.userId } })
  return { ...person, assistantId: id }
}

const say = (person: Person, more: Partial<Spoken> = {}) =>
  takeSpoken({
    ctx: fixture.ctx,
    vault,
    store,
    input: {
      spoken: {
        hostId: person.hostId,
        key: crypto.randomUUID(),
        assistantId: person.assistantId,
        text: 'Time for tea.',
        turnId: null,
        traceParent: null,
        ...more,
      },
      signal: AbortSignal.timeout(10_000),
    },
  })
const change = (person: Person, change: Parameters<typeof updateProfile>[0]['input']['change']) =>
  updateProfile({ ctx: fixture.ctx, input: { userId: person.userId, change } })
const stored = async (person: Person) =>
  fixture.ctx.db.message.findMany({
    where: { userId: person.userId, direction: 'OUTBOUND' },
    orderBy: { seq: 'asc' },
    include: { deliveries: { select: { channel: true, address: true } } },
  })
const write = (channel: 'TELEGRAM' | 'WEB', address: string) =>
  receiveMessage({
    ctx: fixture.ctx,
    input: { channel, address, providerMessageId: crypto.randomUUID(), body: 'hello' },
  })

test('M12: what an assistant says is stored once with its delivery, however often its host hands it over', async () => {
  const person = await newPerson()
  const key = crypto.randomUUID()
  const all = await Promise.all([1, 2, 3].map(() => say(person, { key })))
  const again = await say(person, { key, text: 'Another text' })
  expect(new Set([...all, again].map((taken) => JSON.stringify(taken))).size).toBe(1)
  const [message, ...rest] = await stored(person)
  expect(rest).toEqual([])
  expect(message).toMatchObject({ kind: 'CHAT', body: 'Time for tea.', channel: 'TELEGRAM', turnId: null })
  expect(message?.deliveries).toEqual([{ channel: 'TELEGRAM', address: person.address }])
  expect(fixture.queued.filter((id) => id === message?.id)).toHaveLength(1)
  const page = await listMessages({ ctx: fixture.ctx, input: { userId: person.userId, limit: 10 } })
  expect(page.messages).toMatchObject([{ direction: 'OUTBOUND', body: 'Time for tea.' }])
})

test('M12, S5: a host speaks for its own assistants alone', async () => {
  const [person, other] = [await newPerson(), await newPerson()]
  expect(await say(person, { hostId: other.hostId })).toMatchObject({ code: 'assistant_unknown' })
  expect(await say(person, { assistantId: crypto.randomUUID() })).toMatchObject({ code: 'assistant_unknown' })
  expect(await stored(person)).toEqual([])
})

test('M12: it speaks on the channel that is chosen, else where the person wrote last', async () => {
  const person = await newPerson()
  await write('WEB', person.userId)
  await say(person)
  await write('TELEGRAM', person.address)
  await say(person)
  await change(person, { proactiveChannel: 'WEB' })
  await say(person)
  // One that is not connected is no place to speak.
  await change(person, { proactiveChannel: 'WHATSAPP' })
  await say(person)
  expect((await stored(person)).map(({ channel }) => channel)).toEqual(['WEB', 'TELEGRAM', 'WEB', 'TELEGRAM'])
})

test('M12: quiet hours in the person’s own time hold what is said, and it goes when they end', async () => {
  const person = await newPerson({ timeZone: 'Europe/Berlin' })
  await change(person, { quietHours: { from: '22:00', until: '07:00' } })
  // The night in which clocks go forward: 23:30, and an hour less until morning.
  fixture.clock.at = Date.parse('2026-03-28T22:30:00Z')
  await say(person)
  await say(person, { text: 'And biscuits.' })
  const held = await stored(person)
  expect(held.map(({ heldUntil }) => heldUntil)).toEqual(Array(2).fill(new Date('2026-03-29T05:00:00Z')))
  expect(held.map(({ state, deliveries }) => [state, deliveries])).toEqual(Array(2).fill(['PENDING', []]))
  fixture.clock.at = Date.parse('2026-03-29T04:59:00Z')
  await releaseHeld({ ctx: fixture.ctx })
  expect((await stored(person))[0]?.deliveries).toEqual([])
  fixture.clock.at = Date.parse('2026-03-29T05:00:00Z')
  await Promise.all([releaseHeld({ ctx: fixture.ctx }), releaseHeld({ ctx: fixture.ctx })])
  const sent = await stored(person)
  expect(sent.map(({ deliveries }) => deliveries.length)).toEqual([1, 1])
  expect(fixture.queued.slice(-2)).toEqual(sent.map(({ id }) => id))
  // After midnight it is still the same night; by day nothing is held.
  fixture.clock.at = Date.parse('2026-03-29T22:30:00Z')
  await say(person)
  fixture.clock.at = Date.parse('2026-03-30T10:00:00Z')
  await say(person)
  const [, , night, day] = await stored(person)
  expect([night?.heldUntil, day?.heldUntil]).toEqual([new Date('2026-03-30T05:00:00Z'), null])
})

test('M12: what waits for the morning goes nowhere once the person wants none', async () => {
  const person = await newPerson()
  await change(person, { quietHours: { from: '00:00', until: '08:00' } })
  fixture.clock.at = Date.parse('2026-04-01T01:00:00Z')
  await say(person)
  await change(person, { proactive: false })
  fixture.clock.at = Date.parse('2026-04-01T08:00:00Z')
  await releaseHeld({ ctx: fixture.ctx })
  expect(await stored(person)).toMatchObject([{ state: 'FAILED', code: 'proactive_off', deliveries: [] }])
})

test('M12, M14: a day has its limit, atomic under concurrency, and is the person’s own; they are told once', async () => {
  const person = await newPerson({ timeZone: 'America/New_York' })
  fixture.clock.at = Date.parse('2026-04-02T20:00:00Z')
  const many = Array.from({ length: plan.proactivePerDay + 5 }, () => say(person))
  const outcomes = (await Promise.all(many)).map((taken) => ('code' in taken ? taken.code : 'stored'))
  expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(plan.proactivePerDay)
  expect(outcomes.filter((outcome) => outcome === 'proactive_limit')).toHaveLength(5)
  const notices = (await stored(person)).filter(({ kind }) => kind === 'NOTICE')
  expect(notices).toMatchObject([{ code: 'proactive_limit' }])
  // Past midnight in UTC, not in New York; then there, too.
  fixture.clock.at = Date.parse('2026-04-03T03:00:00Z')
  expect(await say(person)).toMatchObject({ code: 'proactive_limit' })
  fixture.clock.at = Date.parse('2026-04-03T04:00:00Z')
  expect(await say(person)).toMatchObject({ outcome: 'stored' })
})

test('M12, I8: nothing is said to somebody who wants none, or does not pay', async () => {
  const [off, lapsed, paused] = await Promise.all([1, 2, 3].map(() => newPerson()))
  if (!off || !lapsed || !paused) throw new Error('unreachable')
  await change(off, { proactive: false })
  await fixture.db.subscription.updateMany({ where: { userId: lapsed.userId }, data: { status: 'CANCELED' } })
  await fixture.db.assistant.update({ where: { userId: paused.userId }, data: { suspendedAt: new Date() } })
  expect(await say(off)).toMatchObject({ outcome: 'refused', code: 'proactive_off' })
  expect(await say(lapsed)).toMatchObject({ outcome: 'refused', code: 'not_entitled' })
  expect(await say(paused)).toMatchObject({ outcome: 'refused', code: 'not_entitled' })
  for (const person of [off, lapsed, paused]) expect(await stored(person)).toEqual([])
})

test('M12: while it answers, the person is there: no quiet hours, no switch, no day’s limit, and the chat of the question', async () => {
  const person = await newPerson()
  await change(person, {
    proactive: false,
    proactiveChannel: 'TELEGRAM',
    quietHours: { from: '00:00', until: '23:59' },
  })
  await write('WEB', person.userId)
  const { turns } = await claimTurns({
    ctx: fixture.ctx,
    input: { hostId: person.hostId, sessionEpoch: 1n, limit: 1 },
  })
  const turnId = turns[0]?.turnId ?? ''
  expect(await say(person, { turnId })).toMatchObject({ outcome: 'stored' })
  expect(await stored(person)).toMatchObject([{ channel: 'WEB', heldUntil: null }])
  // But not without end, and not in the name of another's turn or of one that is long over.
  for (let more = 1; more < 20; more += 1) await say(person, { turnId })
  expect(await say(person, { turnId })).toMatchObject({ code: 'too_many_messages' })
  const other = await newPerson()
  await change(other, { proactive: false })
  expect(await say(other, { turnId })).toMatchObject({ code: 'proactive_off' })
  const finishedAt = new Date(fixture.clock.at - 11 * 60_000)
  await fixture.db.turn.update({ where: { id: turnId }, data: { state: 'DONE', finishedAt } })
  expect(await say(person, { turnId })).toMatchObject({ code: 'proactive_off' })
})

/** A file of that content, in two pieces. */
const file = (name: string, content: Uint8Array) => ({
  name,
  sizeBytes: content.length,
  bytes: (async function* () {
    yield content.subarray(0, 10)
    yield content.subarray(10)
  })(),
})

test('M9, M12: a file goes with its message, once, and over quiet hours, too', async () => {
  const person = await newPerson()
  fixture.clock.at = Date.parse('2026-05-01T12:00:00Z')
  const key = crypto.randomUUID()
  expect(await say(person, { key, file: file('chart.bin', samplePhoto()) })).toMatchObject({
    outcome: 'stored',
  })
  // Handed over again, its bytes are not even read.
  const unread = { name: 'chart.bin', sizeBytes: 10, bytes: failing() }
  expect(await say(person, { key, file: unread })).toMatchObject({ outcome: 'stored' })
  await change(person, { quietHours: { from: '12:00', until: '13:00' } })
  await say(person, { text: '', file: file('notes.txt', Buffer.from('a list of things')) })
  fixture.clock.at = Date.parse('2026-05-01T13:00:00Z')
  await releaseHeld({ ctx: fixture.ctx })
  const parts = await fixture.db.delivery.findMany({
    where: { userId: person.userId },
    orderBy: { id: 'asc' },
  })
  expect(parts.map(({ payload }) => payload)).toMatchObject([
    { file: { kind: 'IMAGE', mimeType: 'image/png' } },
    { file: { kind: 'DOCUMENT', name: 'notes.txt' } },
  ])
})

test('M12: a file that breaks off leaves no message, and the next attempt is taken', async () => {
  const person = await newPerson()
  const key = crypto.randomUUID()
  await expect(say(person, { key, file: { name: 'x', sizeBytes: 10, bytes: failing() } })).rejects.toThrow(
    'broke off',
  )
  expect(await stored(person)).toEqual([])
  expect(await say(person, { key, file: file('x', Buffer.from('all of the bytes')) })).toMatchObject({
    outcome: 'stored',
  })
})

/** Of the person's own day. */
const usedOf = (person: Person) => fixture.db.usageDaily.findFirst({ where: { userId: person.userId } })

test('M9, M14: files have their amount a day, together with those on their way; the person is told once, the model each time', async () => {
  const person = await newPerson({ timeZone: 'America/New_York' })
  fixture.clock.at = Date.parse('2026-06-02T20:00:00Z')
  const most = plan.fileMegabytesOutPerDay * 2 ** 20
  await fixture.db.usageDaily.create({
    data: { userId: person.userId, date: new Date('2026-06-02'), outboundBytes: most - 250 },
  })
  const send = () => say(person, { text: '', file: file('a.txt', Buffer.alloc(100, 'a')) })
  const outcomes = (await Promise.all([1, 2, 3, 4].map(send))).map((taken) =>
    'code' in taken ? taken.code : taken.outcome,
  )
  expect(outcomes.sort()).toEqual(['files_day_limit', 'files_day_limit', 'stored', 'stored'])
  expect(await usedOf(person)).toMatchObject({ outboundBytes: BigInt(most - 50) })
  // Its bytes are not even read, and nothing of it is left.
  const unread = say(person, { file: { name: 'x', sizeBytes: 100, bytes: failing() } })
  expect(await unread).toMatchObject({
    code: 'files_day_limit',
    detail: expect.stringContaining('3 June 2026 at 00:00'),
  })
  expect(await fixture.db.attachment.count({ where: { userId: person.userId } })).toBe(2)
  const notices = (await stored(person)).filter(({ kind }) => kind === 'NOTICE')
  expect(notices).toMatchObject([{ code: 'files_out_limit', body: expect.stringContaining('500 MB') }])
  // What breaks off is given back, and words still go; tomorrow, in New York, files do.
  expect(await say(person)).toMatchObject({ outcome: 'stored' })
  fixture.clock.at = Date.parse('2026-06-03T04:00:00Z')
  await expect(say(person, { file: { name: 'x', sizeBytes: 100, bytes: failing() } })).rejects.toThrow()
  expect(await send()).toMatchObject({ outcome: 'stored' })
  const tomorrow = { userId: person.userId, date: new Date('2026-06-03') }
  expect(await fixture.db.usageDaily.findFirst({ where: tomorrow })).toMatchObject({ outboundBytes: 100n })
})

test('M14: a file that goes with no message, as it was stopped or another attempt was first, takes nothing of the day', async () => {
  const person = await newPerson()
  fixture.clock.at = Date.parse('2026-06-05T12:00:00Z')
  const meanwhile = (work: () => Promise<unknown>) => ({
    name: 'a.txt',
    sizeBytes: 14,
    bytes: (async function* () {
      yield Buffer.from('half of')
      await work()
      yield Buffer.from(' a film')
    })(),
  })
  const key = crypto.randomUUID()
  const first = meanwhile(() => say(person, { key, file: file('a.txt', Buffer.from('half of a film')) }))
  expect(await say(person, { key, file: first })).toMatchObject({ outcome: 'stored' })
  expect(await usedOf(person)).toMatchObject({ outboundBytes: 14n })
  const refused = meanwhile(() => change(person, { proactive: false }))
  expect(await say(person, { file: refused })).toMatchObject({ code: 'proactive_off' })
  expect(await usedOf(person)).toMatchObject({ outboundBytes: 14n })
})

test('M11: what is said in a turn that its person stopped is not sent, nor kept, even while its file is on its way', async () => {
  const person = await newPerson()
  fixture.clock.at = Date.parse('2026-06-10T12:00:00Z')
  await write('TELEGRAM', person.address)
  const { turns } = await claimTurns({
    ctx: fixture.ctx,
    input: { hostId: person.hostId, sessionEpoch: 1n, limit: 1 },
  })
  const turnId = turns[0]?.turnId ?? ''
  const stopsMeanwhile = async function* () {
    yield Buffer.from('half of')
    await stopTurn({ ctx: fixture.ctx, input: { userId: person.userId } })
    yield Buffer.from(' a film')
  }
  const film = { name: 'film.txt', sizeBytes: 14, bytes: stopsMeanwhile() }
  expect(await say(person, { turnId, file: film })).toMatchObject({ code: 'turn_stopped' })
  expect(await say(person, { turnId })).toMatchObject({ outcome: 'refused', code: 'turn_stopped' })
  expect(await stored(person)).toEqual([])
  expect(await fixture.db.attachment.count({ where: { userId: person.userId } })).toBe(0)
  // However long its host was away since, and wherever the question went.
  const finishedAt = new Date(fixture.clock.at)
  await fixture.db.turn.update({ where: { id: turnId }, data: { state: 'CANCELED', finishedAt } })
  fixture.clock.at += 60 * 60_000
  expect(await say(person, { turnId })).toMatchObject({ outcome: 'refused', code: 'turn_stopped' })
  await fixture.db.message.updateMany({ where: { turnId }, data: { turnId: null } })
  expect(await say(person, { turnId })).toMatchObject({ outcome: 'refused', code: 'turn_stopped' })
  // What it says by itself later is another matter.
  expect(await say(person)).toMatchObject({ outcome: 'stored' })
})

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('some')
  throw new Error('the stream broke off')
}
