import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTransaction } from '../../context.ts'
import { unbind } from '../channel/unbind.ts'
import type { Recipient } from '../conversation/ctx.ts'
import { createFixture, createPerson, type Fixture } from '../conversation/fixtures.ts'
import { lockAssistant } from '../conversation/rows.ts'
import { storeOutgoing } from '../conversation/send-notice.ts'
import { takeIncoming } from '../conversation/take-incoming.ts'
import { actionOptions } from '../tool/decide-action.ts'
import { answerQuestion } from './answer.ts'
import { askIn } from './ask.ts'
import { buttonData, readButton } from './button.ts'
import { modelOptions } from './choose-model.ts'
import { pressButton } from './press-button.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

type Channel = 'TELEGRAM' | 'WHATSAPP'

const four = 'openai/gpt-4o'
const mini = 'openai/gpt-4o-mini'
const placeOf = (id: string) => modelOptions(fixture.clock.at).findIndex((option) => option.id === id)
/** What a person writes to choose it. */
const numberOf = (id: string) => String(placeOf(id) + 1)

/** Somebody who was asked for a model. */
async function asked(channel: Channel = 'TELEGRAM', kind: 'model' | 'tool_action' = 'model') {
  const { ctx, db, clock } = fixture
  const person = await createPerson(db, { channel })
  const { userId } = person
  const to: Recipient = { channel, address: person.address }
  const options = kind === 'model' ? modelOptions(clock.at) : actionOptions({ label: 'send mail for me' })
  const ask = async (subject = {}) => {
    const question = await inTransaction(ctx, async (tx) => {
      await lockAssistant(tx, userId)
      return askIn(tx, ctx, { userId, to, kind, prompt: 'Which?', options, subject, expiresInMs: 60_000 })
    })
    await db.delivery.updateMany({ where: { messageId: question.messageId }, data: { state: 'SENT' } })
    return question
  }
  const { questionId, messageId } = await ask()
  const answer = (id: string, from = to) =>
    answerQuestion({ ctx, input: { questionId, choice: { id }, from } })
  const model = async () => (await db.assistant.findUniqueOrThrow({ where: { userId } })).model
  const write = (body: string, providerMessageId = `SM${crypto.randomUUID()}`) =>
    takeIncoming({ ctx, input: { to, providerMessageId, body, files: [] } })
  const said = async () =>
    (await db.message.findMany({ where: { userId }, orderBy: { seq: 'asc' } })).map(
      ({ kind, body }) => `${kind} ${body}`,
    )
  /** What the assistant says. */
  const says = (body: string) =>
    inTransaction(ctx, async (tx) => {
      await lockAssistant(tx, userId)
      await storeOutgoing(tx, ctx, { userId, to, kind: 'CHAT', text: body })
    })
  return { ...person, to, questionId, messageId, options, ask, answer, model, write, said, says }
}

const isFour = /gpt-4o$/

test('M8: a question has buttons, on WhatsApp numbers for where there are none, and is no part of the conversation', async () => {
  const onTelegram = await asked()
  const part = async (messageId: string) =>
    (await fixture.db.delivery.findFirstOrThrow({ where: { messageId } })).payload
  expect(await part(onTelegram.messageId)).toMatchObject({
    text: 'Which?',
    buttons: onTelegram.options.map(({ label }, index) => ({
      label,
      data: buttonData(onTelegram.questionId, index),
    })),
  })
  const onWhatsapp = await asked('WHATSAPP')
  // Eleven are too many for buttons there.
  expect(onWhatsapp.options).toHaveLength(11)
  expect(await part(onWhatsapp.messageId)).toEqual({
    text: expect.stringMatching(/Which\?\n\n1\. Claude Sonnet 4\.5\n2\. [\s\S]*\n\nAnswer with a number\.$/),
  })
  const few = await asked('WHATSAPP', 'tool_action')
  expect(await part(few.messageId)).toMatchObject({
    prompt: 'Which?\n\n• Always: send mail for me',
    buttons: ['Yes, do it', 'No', 'Always'].map((label, index) => ({
      label,
      data: buttonData(few.questionId, index),
    })),
    text: expect.stringMatching(
      /1\. Yes, do it\n2\. No\n3\. Always: send mail for me\n\nAnswer with a number\.$/,
    ),
  })
  expect(await fixture.db.message.count({ where: { userId: onWhatsapp.userId, kind: 'CHAT' } })).toBe(0)
})

test('M2: of answers that come at once, one counts; the same again is the same, another one is told', async () => {
  const { answer, model, userId, messageId } = await asked()
  const outcomes = (await Promise.all([answer(four), answer(four), answer(four)])).map(
    ({ outcome }) => outcome,
  )
  expect(outcomes).toEqual(['answered', 'answered', 'answered'])
  expect(await model()).toMatch(isFour)
  expect(await answer(mini)).toMatchObject({
    outcome: 'already_answered',
    text: expect.stringContaining('GPT-4o'),
  })
  expect(await model()).toMatch(isFour)
  const jobs = await fixture.db.provisioningJob.count({ where: { userId, kind: 'MODEL' } })
  const told = await fixture.db.message.count({ where: { userId, code: 'question_model_answered' } })
  expect([jobs, told]).toEqual([1, 1])
  expect(fixture.closed.filter((id) => id === messageId)).toHaveLength(1)
})

test('I9: nobody answers for somebody else: not a stranger, not another user, not from a chat that is gone', async () => {
  const { ctx } = fixture
  const { questionId, to, userId, model } = await asked()
  const before = await model()
  const other = await createPerson(fixture.db)
  const data = buttonData(questionId, placeOf(four))
  const press = (address: string, pressed = data) =>
    pressButton({ ctx, input: { from: { channel: 'TELEGRAM', address }, data: pressed } })
  const words = { text: expect.stringMatching(/not for you/) }
  expect(await press(other.address)).toMatchObject(words)
  expect(await press('424242')).toMatchObject(words)
  expect(await press('')).toMatchObject(words)
  for (const forged of ['', 'q', `${data}0`, data.toUpperCase(), 'q'.repeat(64), data.replace(/\.\w$/, '.z')])
    expect(await press(to.address, forged)).toMatchObject(words)
  await unbind({ ctx, input: { userId, channel: 'TELEGRAM' } })
  expect(await press(to.address)).toMatchObject(words)
  expect(await model()).toBe(before)
  expect(await fixture.db.question.findUniqueOrThrow({ where: { id: questionId } })).toMatchObject({
    answer: null,
  })
})

test('I8: after it expired, or without a subscription, an answer changes nothing and says why', async () => {
  const late = await asked()
  fixture.clock.at += 60_000
  expect(await late.answer(four)).toMatchObject({ outcome: 'expired' })
  const unpaid = await asked()
  await fixture.db.subscription.deleteMany({ where: { userId: unpaid.userId } })
  expect(await unpaid.answer(four)).toMatchObject({
    outcome: 'refused',
    text: expect.stringMatching(/subscription/),
  })
  await fixture.db.subscription.create({ data: { userId: unpaid.userId, status: 'ACTIVE' } })
  expect(await unpaid.answer(four)).toMatchObject({ outcome: 'answered' })
  expect(await late.model()).not.toMatch(isFour)
})

test('M2: a number answers the question that was asked last, once, however often it is delivered', async () => {
  const { write, model, userId, said } = await asked('WHATSAPP')
  await write(`${numberOf(four)}.`, 'SMnumber')
  await write(`${numberOf(four)}.`, 'SMnumber')
  expect(await model()).toMatch(isFour)
  expect((await said()).slice(1)).toEqual([
    `NOTICE ${numberOf(four)}.`,
    'NOTICE Your assistant now thinks with GPT-4o.',
  ])
  expect(await fixture.db.turn.count({ where: { assistant: { userId } } })).toBe(0)
  // What comes later is a word like any other.
  await write('4')
  expect((await said()).at(-1)).toBe('CHAT 4')
})

test('M8: a number is a word like any other once the conversation went on, and a wrong one is told', async () => {
  const wrong = await asked('WHATSAPP')
  await wrong.write('99')
  expect((await wrong.said()).slice(1)).toEqual([
    'NOTICE 99',
    expect.stringMatching(/^NOTICE There is no such answer/),
  ])
  const passed = await asked('WHATSAPP')
  await passed.write('never mind')
  await passed.write('4')
  expect((await passed.said()).slice(1)).toEqual(['CHAT never mind', 'CHAT 4'])
  const refused = await asked('WHATSAPP')
  await fixture.db.subscription.deleteMany({ where: { userId: refused.userId } })
  await refused.write(numberOf(four), 'SMrefused')
  await refused.write(numberOf(four), 'SMrefused')
  expect((await refused.said()).slice(1)).toEqual([
    `NOTICE ${numberOf(four)}`,
    expect.stringMatching(/subscription/),
  ])
})

test.each(['How many people come?', '人は何人ですか？', 'كم شخصا؟', 'Tell me a number from ٣ on.'])(
  'M8: after “%s” a number is a word like any other',
  async (body) => {
    const { says, write, said } = await asked('WHATSAPP')
    await says(body)
    await write('3')
    expect((await said()).at(-1)).toBe('CHAT 3')
  },
)

test('M8: a number answers although the assistant said that it asked, on WhatsApp alone, and what was delivered', async () => {
  const told = await asked('WHATSAPP')
  await told.says('I have asked you; tell me when you are ready.')
  await told.write(numberOf(four))
  expect(await told.model()).toMatch(isFour)
  const withButtons = await asked('TELEGRAM')
  await withButtons.write(numberOf(four))
  expect((await withButtons.said()).at(-1)).toBe(`CHAT ${numberOf(four)}`)
  const { db, clock } = fixture
  const sentAt = new Date(clock.at)
  const inFlight = await asked('WHATSAPP')
  const underWay = { state: 'PENDING', sentAt } as const
  await db.delivery.updateMany({ where: { messageId: inFlight.messageId }, data: underWay })
  await inFlight.write(numberOf(four))
  expect(await inFlight.model()).toMatch(isFour)
  const fates = [
    { state: 'PENDING' },
    { ...underWay, lastErrorCode: '63016' },
    { state: 'DEAD', sentAt },
  ] as const
  for (const fate of fates) {
    const unseen = await asked('WHATSAPP')
    await db.delivery.updateMany({ where: { messageId: unseen.messageId }, data: fate })
    await unseen.write(numberOf(four))
    expect((await unseen.said()).at(-1)).toBe(`CHAT ${numberOf(four)}`)
  }
})

test('M8: of several questions a number answers none, nor an older one when it comes once more', async () => {
  const { ask, write, model, said, answer, questionId } = await asked('WHATSAPP')
  const before = await model()
  const second = await ask()
  await write(numberOf(four), 'SMeither')
  await write(numberOf(four), 'SMeither')
  expect((await said()).slice(2)).toEqual([
    `NOTICE ${numberOf(four)}`,
    expect.stringMatching(/More than one/),
  ])
  expect(await model()).toBe(before)
  expect(second.questionId).not.toBe(questionId)
  await fixture.db.question.update({
    where: { id: second.questionId },
    data: { answeredAt: new Date(fixture.clock.at), answer: mini },
  })
  await write(numberOf(four))
  expect((await said()).at(-1)).toMatch(/More than one/)
  expect(await model()).toBe(before)
  expect(await answer(four)).toMatchObject({ outcome: 'answered' })
})

test('I9: what holds for good is taken from its word alone', async () => {
  const { userId, ask, write, said, questionId } = await asked('WHATSAPP', 'tool_action')
  const { db, clock } = fixture
  const { id: actionId } = await db.toolAction.create({
    data: {
      userId,
      tool: 'gmail_draft',
      input: {},
      summary: 'Save it',
      createdAt: new Date(clock.at),
      expiresAt: new Date(clock.at + 60_000),
    },
  })
  await db.question.delete({ where: { id: questionId } })
  await ask({ actionId })
  await write('3')
  expect((await said()).at(-1)).toMatch(/please write ALWAYS/)
  const state = async () => (await db.toolAction.findUniqueOrThrow({ where: { id: actionId } })).state
  expect([await state(), await db.toolPermission.count({ where: { userId } })]).toEqual(['ASKED', 0])
  await write('Always')
  expect([await state(), await db.toolPermission.count({ where: { userId } })]).toEqual(['APPROVED', 1])
  // With nothing asked it is a word like any other.
  await write('always')
  expect((await said()).at(-1)).toBe('CHAT always')
})

test('M8: a number that replies to another message is a word, and what replies to our words does not show them', async () => {
  const { ctx, db } = fixture
  const { to, userId, messageId, model } = await asked('WHATSAPP')
  const before = await model()
  const reply = (repliedSid: string) =>
    takeIncoming({
      ctx,
      input: { to, providerMessageId: `SM${crypto.randomUUID()}`, body: '4', files: [], repliedSid },
    })
  // The question itself, by the name its chat has for it.
  await db.delivery.updateMany({
    where: { messageId },
    data: { providerMessageId: 'SMquestion', state: 'SENT' },
  })
  await reply('SMelsewhere')
  expect(await model()).toBe(before)
  expect(await db.message.count({ where: { userId, kind: 'CHAT', body: '4' } })).toBe(1)
  const again = await asked('WHATSAPP')
  await db.delivery.updateMany({
    where: { messageId: again.messageId },
    data: { providerMessageId: 'SMquestion2', state: 'SENT' },
  })
  const input = {
    to: again.to,
    providerMessageId: 'SManswer',
    body: '4',
    files: [],
    repliedSid: 'SMquestion2',
  }
  await takeIncoming({ ctx, input })
  expect(await again.model()).toBe(again.options[3]?.id)
  await takeIncoming({ ctx, input: { ...input, providerMessageId: 'SMwhy', body: 'why?' } })
  const said = await db.message.findFirstOrThrow({ where: { userId: again.userId, body: 'why?' } })
  expect([said.kind, said.context]).toEqual(['CHAT', null])
})

/** Somebody on WhatsApp who was asked; `press` is what Twilio posts when they press. */
async function askedWithButtons() {
  const person = await asked('WHATSAPP')
  const { ctx } = fixture
  const pressAt = (address: string, data: string, providerMessageId = `SM${crypto.randomUUID()}`) => {
    const to = { channel: 'WHATSAPP', address } as const
    const pressed = readButton(data) ?? undefined
    const input = { to, providerMessageId, body: 'GPT-4o', files: [], pressed, repliedSid: 'SMx' }
    return takeIncoming({ ctx, input })
  }
  const data = (id: string) => buttonData(person.questionId, placeOf(id))
  const press = (id: string, sid?: string) => pressAt(person.address, data(id), sid)
  const saidOf = async (userId: string) =>
    (await fixture.db.message.findMany({ where: { userId }, orderBy: { seq: 'asc' } })).map(
      ({ kind, direction, body }) => `${kind} ${direction} ${body}`,
    )
  return { ...person, pressAt, press, data, saidOf }
}

test('M2: a press on WhatsApp answers once, however often it is delivered, and an old one is told', async () => {
  const { press, model, userId, saidOf } = await askedWithButtons()
  await Promise.all([press(four, 'SMpress'), press(four, 'SMpress'), press(four, 'SMpress')])
  expect(await model()).toMatch(isFour)
  const once = ['NOTICE INBOUND GPT-4o', 'NOTICE OUTBOUND Your assistant now thinks with GPT-4o.']
  expect((await saidOf(userId)).slice(1)).toEqual(once)
  const already = 'NOTICE OUTBOUND You have already chosen GPT-4o.'
  await press(four)
  await press(mini)
  expect((await saidOf(userId)).slice(3)).toEqual([
    'NOTICE INBOUND GPT-4o',
    already,
    'NOTICE INBOUND GPT-4o',
    already,
  ])
  expect(await model()).toMatch(isFour)
  expect(await fixture.db.turn.count({ where: { assistant: { userId } } })).toBe(0)
})

test('I9: a press on WhatsApp by another, by a stranger, too late or made up is answered in words and changes nothing', async () => {
  const { pressAt, press, data, model, address, userId, questionId, saidOf } = await askedWithButtons()
  const before = await model()
  const other = await askedWithButtons()
  await pressAt(other.address, data(four))
  expect((await other.saidOf(other.userId)).at(-1)).toMatch(/not for you/)
  const stranger = 'whatsapp:+19995552'
  await pressAt(stranger, data(four))
  expect(fixture.told.filter(({ to }) => to.address === stranger)).toMatchObject([
    { text: expect.stringContaining("don't know this chat") },
  ])
  await pressAt(address, data(four).replace(/\.\w$/, '.z'))
  expect((await saidOf(userId)).at(-1)).toMatch(/not for you/)
  // What is no button of ours is what it says.
  await pressAt(address, 'an operator’s own')
  expect((await saidOf(userId)).at(-1)).toBe('CHAT INBOUND GPT-4o')
  fixture.clock.at += 60_000
  await press(four)
  expect((await saidOf(userId)).at(-1)).toMatch(/expired/)
  expect(await model()).toBe(before)
  const asked = await fixture.db.question.findUniqueOrThrow({ where: { id: questionId } })
  expect(asked.answer).toBeNull()
})

test('M8: presses without end are answered in words twenty times a minute', async () => {
  const { pressAt, address, userId } = await askedWithButtons()
  for (let count = 0; count < 25; count += 1) await pressAt(address, buttonData(crypto.randomUUID(), 0))
  const where = { userId, direction: 'OUTBOUND', code: 'answer' } as const
  expect(await fixture.db.message.count({ where })).toBe(20)
})

test('M8: so are presses whose deed is refused, which change nothing', async () => {
  const { press, userId, questionId } = await askedWithButtons()
  await fixture.db.subscription.deleteMany({ where: { userId } })
  for (let count = 0; count < 25; count += 1) await press(four)
  const where = { userId, direction: 'OUTBOUND', code: 'answer' } as const
  expect(await fixture.db.message.count({ where })).toBe(20)
  const { answer } = await fixture.db.question.findUniqueOrThrow({ where: { id: questionId } })
  expect(answer).toBeNull()
})

test('M8: so are numbers that are about no one question, each of which is stored all the same', async () => {
  const { ask, write, userId } = await asked('WHATSAPP')
  await ask()
  for (let count = 0; count < 25; count += 1) await write('1')
  const where = { userId, code: 'answer' } as const
  expect(await fixture.db.message.count({ where: { ...where, direction: 'OUTBOUND' } })).toBe(20)
  expect(await fixture.db.message.count({ where: { ...where, direction: 'INBOUND' } })).toBe(25)
})
