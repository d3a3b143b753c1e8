import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTransaction } from '../../context.ts'
import { hearFrom } from '../channel/hear-from.ts'
import { unbind } from '../channel/unbind.ts'
import { createFixture, createPerson, type Fixture, written } from '../conversation/fixtures.ts'
import { sendNotice } from '../conversation/send-notice.ts'
import { askIn } from '../question/ask.ts'
import { planDelivery } from './plan-delivery.ts'
import { type FateInput, recordFate } from './record-fate.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

const dayMs = 24 * 3_600_000

/** A person on WhatsApp; `write` is a message of theirs, `say` one of ours, `plan` what would become of it. */
async function onWhatsapp() {
  const { userId, address } = await createPerson(fixture.db, { channel: 'WHATSAPP' })
  const to = { channel: 'WHATSAPP', address } as const
  const { ctx, db } = fixture
  return {
    userId,
    to,
    write: (optOut?: 'STOP' | 'START') => hearFrom({ ctx, input: { message: written(to), optOut } }),
    plan: (messageId: string) => planDelivery({ ctx, input: { to, messageId } }),
    say: async (text: string, code = 'test') => {
      await sendNotice({ ctx, input: { userId, to, code, text } })
      const message = await db.message.findFirstOrThrow({ where: { userId }, orderBy: { seq: 'desc' } })
      return message.id
    },
    told: () => fixture.told.filter((item) => item.to.address === address),
  }
}

/** A message whose only part is in its first attempt, not yet accepted as far as we know. */
async function inFlight() {
  const person = await onWhatsapp()
  const messageId = await person.say('hello')
  const sentAt = new Date(fixture.clock.at)
  const { id: deliveryId } = await fixture.db.delivery.findFirstOrThrow({ where: { messageId } })
  await fixture.db.delivery.update({ where: { id: deliveryId }, data: { attempts: 1, sentAt } })
  const record = (fate: FateInput['fate'], attempt = 1, providerMessageId = 'SM1') =>
    recordFate({ ctx: fixture.ctx, input: { deliveryId, attempt, providerMessageId, fate } })
  const states = async () => {
    const delivery = await fixture.db.delivery.findUniqueOrThrow({
      where: { id: deliveryId },
      include: { message: true },
    })
    return [delivery.state, delivery.message.state]
  }
  return { ...person, messageId, deliveryId, record, states }
}

const failed = (kind: 'retry' | 'permanent' | 'window_closed' | 'opted_out', code = 'twilio_1') =>
  ({ state: 'FAILED', failure: { code, kind } }) as const

test('M6: states go forwards only, in whatever order they are told, even before our own commit', async () => {
  const { record, states } = await inFlight()
  expect(await record({ state: 'DELIVERED' })).toBe(true)
  expect(await states()).toEqual(['DELIVERED', 'DELIVERED'])
  expect(await record({ state: 'SENT' })).toBe(false)
  expect(await record(failed('permanent'))).toBe(false)
  expect(await record({ state: 'READ' })).toBe(true)
  expect(await record({ state: 'READ' })).toBe(false)
  expect(await states()).toEqual(['READ', 'READ'])
})

test('M6: another attempt and another id say nothing', async () => {
  const { record, states } = await inFlight()
  await record({ state: 'SENT' })
  expect(await record({ state: 'READ' }, 1, 'SM2')).toBe(false)
  expect(await record({ state: 'READ' }, 2)).toBe(false)
  expect(await states()).toEqual(['SENT', 'SENT'])
})

test('M6: a message is as far as its last part', async () => {
  const { userId, say } = await onWhatsapp()
  const messageId = await say('word '.repeat(500))
  const parts = await fixture.db.delivery.findMany({ where: { messageId }, orderBy: { part: 'asc' } })
  expect(parts).toHaveLength(2)
  await fixture.db.delivery.updateMany({ where: { messageId }, data: { attempts: 1 } })
  const reached = async (part: number, state: 'SENT' | 'DELIVERED' | 'READ') => {
    const deliveryId = parts[part]?.id ?? ''
    const input = { deliveryId, attempt: 1, providerMessageId: `SM${part}`, fate: { state } }
    await recordFate({ ctx: fixture.ctx, input })
    return (await fixture.db.message.findFirstOrThrow({ where: { userId } })).state
  }
  expect(await reached(0, 'READ')).toBe('PENDING')
  expect(await reached(1, 'DELIVERED')).toBe('DELIVERED')
  expect(await reached(1, 'READ')).toBe('READ')
})

test('M6: what failed for now is sent again once, however often the failure is told', async () => {
  const { messageId, record, states } = await inFlight()
  await record({ state: 'SENT' })
  const before = fixture.queued.length
  expect(await record(failed('retry'))).toBe(true)
  expect(await record(failed('retry'))).toBe(false)
  expect(fixture.queued.slice(before)).toEqual([messageId])
  expect(await states()).toEqual(['PENDING', 'PENDING'])
})

test('M6: what found no room is not given up as soon as what failed, waits longer each time, and is counted apart', async () => {
  const { messageId, deliveryId, record, states } = await inFlight()
  const { ctx, db, buried } = fixture
  const delays: number[] = []
  const { enqueueMessage } = ctx.outbox
  ctx.outbox.enqueueMessage = async (...[tx, to, id, delayMs = 0]) => {
    delays.push(delayMs)
    return enqueueMessage(tx, to, id, delayMs)
  }
  const full = {
    state: 'FAILED',
    failure: { code: 'twilio_63018', kind: 'retry', retryAfterMs: 10_000 },
  } as const
  // However often it was refused at once before: those have their own bound.
  let attempts = 500
  const fail = async (fate: FateInput['fate'] = full) => {
    attempts += 1
    await db.delivery.update({ where: { id: deliveryId }, data: { attempts, providerMessageId: null } })
    await record(fate, attempts)
  }
  for (let waits = 1; waits <= 8; waits += 1) await fail()
  await fail(failed('retry'))
  await fail()
  await fail(failed('retry'))
  for (let waits = 10; waits <= 35; waits += 1) await fail()
  ctx.outbox.enqueueMessage = enqueueMessage
  expect(delays.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 64, 128].map((times) => times * 10_000))
  expect(delays.slice(8, 11)).toEqual([30_000, 2_560_000, 60_000])
  expect(new Set(delays.slice(11))).toEqual(new Set([3_600_000]))
  expect(await states()).toEqual(['PENDING', 'PENDING'])
  await fail()
  expect(await states()).toEqual(['DEAD', 'FAILED'])
  expect(buried).toContain(messageId)
})

test('M6: a question whose buttons WhatsApp did not accept goes once more with numbers, then it is given up', async () => {
  const { userId, to } = await onWhatsapp()
  const { ctx, db } = fixture
  const ask = { userId, to, kind: 'model', prompt: 'Which?', expiresInMs: 60_000 } as const
  const options = [{ id: 'a', label: 'This' }]
  const { messageId } = await inTransaction(ctx, (tx) => askIn(tx, ctx, { ...ask, options }))
  const { id: deliveryId, payload } = await db.delivery.findFirstOrThrow({ where: { messageId } })
  expect(payload).toMatchObject({ prompt: 'Which?', buttons: [{ label: 'This' }] })
  const fail = async (attempt: number) => {
    await db.delivery.update({
      where: { id: deliveryId },
      data: { attempts: attempt, providerMessageId: null },
    })
    const fate = failed('permanent', 'twilio_63005')
    return recordFate({ ctx, input: { deliveryId, attempt, providerMessageId: `SM${attempt}`, fate } })
  }
  expect(await fail(1)).toBe(true)
  expect(await db.delivery.findUniqueOrThrow({ where: { id: deliveryId } })).toMatchObject({
    state: 'PENDING',
    payload: { text: expect.stringContaining('1. This') },
  })
  expect(fixture.queued.filter((id) => id === messageId)).toHaveLength(2)
  expect(await fail(2)).toBe(true)
  expect(fixture.buried).toContain(messageId)
})

test('M6: what failed for good is a dead letter', async () => {
  const { messageId, record, states } = await inFlight()
  await record(failed('permanent', 'twilio_63024'))
  expect(await states()).toEqual(['DEAD', 'FAILED'])
  expect(fixture.buried).toContain(messageId)
})

test('who opted out gets nothing more, wherever we learn it, and no dead letter is kept', async () => {
  const { messageId, record, states, say, plan, write } = await inFlight()
  await record(failed('opted_out', 'twilio_21610'))
  expect(await states()).toEqual(['DEAD', 'FAILED'])
  expect(fixture.buried).not.toContain(messageId)
  expect(await plan(await say('more'))).toEqual({ action: 'drop' })
  expect(await write('START')).toBe('done')
  expect(await plan(await say('again'))).toEqual({ action: 'send' })
  expect(await write('STOP')).toBe('done')
  expect(await write()).toBe('out')
  expect(await plan(await say('and more'))).toEqual({ action: 'drop' })
})

test('M12: outside the window messages wait behind one invitation, and go in order when the person writes', async () => {
  const { write, say, plan, told } = await onWhatsapp()
  await write()
  fixture.clock.at += dayMs
  const waiting = [await say('one'), await say('two')]
  for (const messageId of waiting) expect(await plan(messageId)).toEqual({ action: 'wait' })
  expect(told()).toMatchObject([{ template: { contentSid: 'HXinvite' } }])
  const before = fixture.queued.length
  expect(await write()).toBe('open')
  expect(fixture.queued.slice(before)).toEqual(waiting)
  for (const messageId of waiting) expect(await plan(messageId)).toEqual({ action: 'send' })
})

test('M12: who comes back after long gets the newest few, and one line that counts and finds the others', async () => {
  const { userId, write, say, plan } = await onWhatsapp()
  const { db, clock, queued } = fixture
  await write()
  clock.at += dayMs
  const hold = async (text: string) => {
    const messageId = await say(text)
    expect(await plan(messageId)).toEqual({ action: 'wait' })
    return messageId
  }
  const late = [await hold('reminder'), await hold('reminder')]
  clock.at += 3 * dayMs
  late.push(await hold('one too many'))
  const fresh: string[] = []
  for (const text of ['a', 'b', 'c', 'd', 'e']) fresh.push(await hold(text))
  const before = queued.length
  await write()
  const told = await db.message.findMany({ where: { userId, code: 'held_summed_up' } })
  expect(told).toMatchObject([
    { body: expect.stringMatching(/ 3 messages .* at http.*\/dashboard\/chat\.$/) },
  ])
  expect(queued.slice(before)).toEqual([told[0]?.id, ...fresh])
  const parts = await db.delivery.findMany({ where: { messageId: { in: late } } })
  expect(parts.map(({ state, lastErrorCode, heldAt }) => [state, lastErrorCode, heldAt])).toEqual(
    late.map(() => ['DEAD', 'held_too_long', null]),
  )
  expect(await db.message.count({ where: { id: { in: late }, state: 'FAILED' } })).toBe(3)
  expect(await db.delivery.count({ where: { userId, heldAt: { not: null } } })).toBe(0)
  // It is done once, and nobody's dead letter.
  await write()
  expect(queued.slice(before)).toHaveLength(6)
  expect(fixture.buried).not.toEqual(expect.arrayContaining(late))
})

test('M1: an answer that waited is never summed up, however old; what nobody asked for makes room for it', async () => {
  const { userId, write, say, plan } = await onWhatsapp()
  const { db, clock, queued } = fixture
  const assistant = await db.assistant.findFirstOrThrow({ where: { userId } })
  const answer = async (text: string) => {
    const turn = await db.turn.create({
      data: { assistantId: assistant.id, state: 'DONE', finishedAt: new Date(clock.at) },
    })
    const messageId = await say(text)
    await db.message.update({ where: { id: messageId }, data: { kind: 'CHAT', turnId: turn.id } })
    return messageId
  }
  const reminders = [await say('reminder')]
  const answers = [await answer('the first'), await answer('word '.repeat(2_000))]
  for (const messageId of [...reminders, ...answers]) await plan(messageId)
  clock.at += 3 * dayMs
  reminders.push(await say('word '.repeat(1_500)))
  const newest = await say('the newest')
  for (const messageId of [reminders[1] ?? '', newest]) await plan(messageId)
  const before = queued.length
  await write()
  const [summed, ...sent] = queued.slice(before)
  expect(sent).toEqual([...answers, newest])
  const notice = await db.message.findUniqueOrThrow({ where: { id: summed ?? '' } })
  expect(notice.body).toContain(' 2 messages ')
  const states = await db.message.findMany({ where: { id: { in: reminders } }, select: { state: true } })
  expect(states).toEqual([{ state: 'FAILED' }, { state: 'FAILED' }])
})

test('M12: of what waited no more goes out than leaves room for the answer', async () => {
  const { write, say, plan, userId } = await onWhatsapp()
  const long = 'word '.repeat(1_500)
  const held = [await say('short'), await say(long), await say('between'), await say(long)]
  for (const messageId of held) await plan(messageId)
  const before = fixture.queued.length
  await write()
  const [summed, ...sent] = fixture.queued.slice(before)
  expect(sent).toEqual(held.slice(2))
  const notice = await fixture.db.message.findUniqueOrThrow({ where: { id: summed ?? '' } })
  expect([notice.userId, notice.code]).toEqual([userId, 'held_summed_up'])
  expect(notice.body).toContain(' 2 messages ')
})

test('M12: outside the window the word that the assistant is ready is its template', async () => {
  const { say, plan, userId, told } = await onWhatsapp()
  await fixture.db.user.update({ where: { id: userId }, data: { name: 'Ada' } })
  const messageId = await say('ready', 'assistant_ready')
  const template = { contentSid: 'HXready', variables: { 1: 'Ada' } }
  expect(await plan(messageId)).toEqual({ action: 'send', template })
  expect(told()).toEqual([])
})

test('I2: what waited for one person does not reach who has the number next', async () => {
  const { userId, say, plan, write, to } = await onWhatsapp()
  const messageId = await say('private')
  expect(await plan(messageId)).toEqual({ action: 'wait' })
  await unbind({ ctx: fixture.ctx, input: { userId, channel: 'WHATSAPP' } })
  const next = await onWhatsapp()
  await fixture.db.userPhone.update({
    where: { id: (await fixture.db.userPhone.findFirstOrThrow({ where: { userId: next.userId } })).id },
    data: { address: to.address },
  })
  await write()
  expect(await plan(messageId)).toEqual({ action: 'drop' })
  const delivery = await fixture.db.delivery.findFirstOrThrow({ where: { messageId } })
  expect(delivery).toMatchObject({ state: 'DEAD', lastErrorCode: 'unbound' })
})

test('M12: WhatsApp’s word that the window is closed counts until the person writes again', async () => {
  const { messageId, record, plan, write } = await inFlight()
  await write()
  fixture.clock.at += 1000
  await fixture.db.delivery.updateMany({ where: { messageId }, data: { sentAt: new Date(fixture.clock.at) } })
  expect(await record(failed('window_closed', 'twilio_63016'))).toBe(true)
  expect(await plan(messageId)).toEqual({ action: 'wait' })
  fixture.clock.at += 1000
  await write()
  expect(await plan(messageId)).toEqual({ action: 'send' })
})

test('M12: whoever comes first, a message that waits and a person who writes, none waits on', async () => {
  const people = await Promise.all(Array.from({ length: 20 }, onWhatsapp))
  await Promise.all(people.map(({ write }) => write()))
  fixture.clock.at += dayMs
  await Promise.all(
    people.map(async ({ write, say, plan, to }) => {
      const messageId = await say('hello')
      const [{ action }] = await Promise.all([plan(messageId), write()])
      const held = await fixture.db.delivery.count({ where: { address: to.address, heldAt: { not: null } } })
      expect(held).toBe(0)
      const timesQueued = fixture.queued.filter((id) => id === messageId).length
      expect(timesQueued).toBe(action === 'wait' ? 2 : 1)
    }),
  )
})
