import twilio from 'twilio'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTransaction } from '../../context.ts'
import { startBinding } from '../../services/channel/start-binding.ts'
import { createFixture, createPerson, type Fixture } from '../../services/conversation/fixtures.ts'
import { addressHash } from '../../services/conversation/rows.ts'
import { sendNotice } from '../../services/conversation/send-notice.ts'
import { askIn } from '../../services/question/ask.ts'
import { buttonData } from '../../services/question/button.ts'
import { modelOptions } from '../../services/question/choose-model.ts'
import { twilioWebhooks } from './twilio.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

const authToken = 'the-token'
const apiUrl = 'https://api.test/api/v1/webhooks/twilio'
const newSid = (kind = 'SM') => `${kind}${crypto.randomUUID().replaceAll('-', '')}`

interface Options {
  path?: string
  signature?: string
  token?: string
}

function post(parameters: Record<string, string>, options: Options = {}) {
  const { path = '/whatsapp', token = authToken } = options
  const app = twilioWebhooks({ ctx: fixture.ctx, authToken: token, apiUrl })
  const signature =
    options.signature ?? twilio.getExpectedTwilioSignature(authToken, apiUrl + path, parameters)
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'x-twilio-signature': signature,
    host: 'evil.test',
  }
  return app.request(path, { method: 'POST', headers, body: new URLSearchParams(parameters).toString() })
}

const message = (From: string, Body: string, more: Record<string, string> = {}) => ({
  MessageSid: newSid(),
  From,
  Body,
  NumMedia: '0',
  MessageType: 'text',
  ...more,
})
const say = (from: string, body: string, more: Record<string, string> = {}) => post(message(from, body, more))
const binding = (address: string) =>
  fixture.db.userPhone.findFirst({ where: { channel: 'WHATSAPP', address, unboundAt: null } })
const start = (userId: string) => startBinding({ ctx: fixture.ctx, input: { userId, channel: 'WHATSAPP' } })
const newUser = () => createPerson(fixture.db, { channel: 'WHATSAPP' })
const toldTo = (address: string) => fixture.told.filter((item) => item.to.address === address)

test('I4: a missing or wrong signature is refused on both paths, and so is everything without a token', async () => {
  const { userId, address } = await newUser()
  for (const path of ['/whatsapp', '/status']) {
    expect((await post(message(address, 'hi'), { path, signature: '' })).status).toBe(403)
    expect((await post(message(address, 'hi'), { path, signature: 'wrong' })).status).toBe(403)
    expect((await post(message(address, 'hi'), { path, token: '' })).status).toBe(403)
  }
  expect(await fixture.db.message.count({ where: { userId } })).toBe(0)
})

test('I4: the signature covers whatever parameters arrive, and our own address, not the Host header', async () => {
  const { userId, address } = await newUser()
  const body = message(address, 'Grüße & ümlaute + 😀', { SomethingNew: 'of tomorrow', Empty: '' })
  const signature = twilio.getExpectedTwilioSignature(authToken, `${apiUrl}/whatsapp`, body)
  expect((await post({ ...body, Body: 'changed' }, { signature })).status).toBe(403)
  expect((await post({ ...body, Added: 'x' }, { signature })).status).toBe(403)
  const foreign = twilio.getExpectedTwilioSignature(authToken, 'https://evil.test/whatsapp', body)
  expect((await post(body, { signature: foreign })).status).toBe(403)
  expect((await post(body, { signature })).status).toBe(200)
  expect((await fixture.db.message.findFirstOrThrow({ where: { userId } })).body).toBe('Grüße & ümlaute + 😀')
})

test('M2, M3: a message is stored once and acknowledged; what is not understood is acknowledged too', async () => {
  const { userId, address } = await newUser()
  const once = message(address, 'a\u0000b')
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(once)))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  expect(await answers[0]?.text()).toBe('<Response/>')
  const stored = await fixture.db.message.findMany({ where: { userId } })
  expect(stored).toMatchObject([{ body: 'ab', channel: 'WHATSAPP', providerMessageId: once.MessageSid }])
  for (const odd of [{}, { From: 'sms:+1' }, { ...once, MessageSid: '../1' }, { MessageSid: newSid() }]) {
    expect((await post(odd)).status).toBe(200)
  }
  expect((await say(address, '')).status).toBe(200)
  expect((await say(address, '', { NumMedia: 'many' })).status).toBe(200)
  expect(await fixture.db.message.count({ where: { userId } })).toBe(1)
})

test('I1: only an unused code, sent from the phone, binds it; a number is kept where one is shown', async () => {
  const [anna, ben] = [await newUser(), await newUser()]
  const { code, bindUrl } = await start(anna.userId)
  expect(new URL(bindUrl).href).toBe(`https://wa.me/15550100?text=Connect%20my%20assistant%3A%20${code}`)
  await say('whatsapp:+4420794600', `  connect my assistant: ${code.toLowerCase()} thanks`, {
    WaId: '4420794600',
  })
  expect(await binding('whatsapp:+4420794600')).toMatchObject({
    userId: anna.userId,
    phoneE164: '+4420794600',
  })
  expect(await binding(anna.address)).toBeNull()
  await say('whatsapp:+4420794601', code)
  expect(await binding('whatsapp:+4420794601')).toBeNull()
  const bens = await start(ben.userId)
  await say('whatsapp:+4420794600', bens.code)
  expect(await binding('whatsapp:+4420794600')).toMatchObject({ userId: anna.userId })
  fixture.clock.at += 15 * 60_000
  await say('whatsapp:+4420794602', bens.code)
  expect(await binding('whatsapp:+4420794602')).toBeNull()
})

test('I2: an address is opaque: an id without a number binds and talks, a name or number gains nothing', async () => {
  const { userId } = await newUser()
  const { code } = await start(userId)
  await say('whatsapp:US.1234', code, { ProfileName: 'Anna' })
  expect(await binding('whatsapp:US.1234')).toMatchObject({ userId, phoneE164: null })
  await say('whatsapp:US.1234', 'hi')
  await say('whatsapp:US.9999', 'it is me', { ProfileName: 'Anna', WaId: '1234' })
  expect(await fixture.db.message.findMany({ where: { userId, direction: 'INBOUND' } })).toHaveLength(1)
  expect(toldTo('whatsapp:US.9999')).toHaveLength(1)
})

test('I2: a number that was silent long enough to be given to somebody else proves itself again', async () => {
  const { userId, address } = await newUser()
  const inbound = () => fixture.db.message.count({ where: { userId, direction: 'INBOUND' } })
  const silence = async (days: number) => {
    fixture.clock.at += days * 86_400_000
    await say(address, 'hi')
  }
  await silence(0)
  await silence(44)
  expect(await inbound()).toBe(2)
  await silence(45)
  expect(await inbound()).toBe(2)
  expect(await binding(address)).toBeNull()
  expect(toldTo(address)).toMatchObject([{ text: expect.stringContaining("don't know this chat") }])
})

test('M9: media and kinds of message that are no text are told not to be supported, once each', async () => {
  const { userId, address } = await newUser()
  const picture = message(address, '', { NumMedia: '1', MessageType: 'image', MessageSid: newSid('MM') })
  await Promise.all([post(picture), post(picture)])
  await say(address, '', { MessageType: 'location', Latitude: '1' })
  await say(address, '', { MessageType: 'of tomorrow' })
  const notices = await fixture.db.message.findMany({ where: { userId, kind: 'NOTICE' } })
  expect(notices.map(({ code }) => code)).toEqual(['media_unsupported', 'media_unsupported'])
})

test('M10: a stranger gets one helpful answer a day', async () => {
  await Promise.all(['a', 'b', 'c'].map((body) => say('whatsapp:+19995550', body)))
  expect(toldTo('whatsapp:+19995550')).toHaveLength(1)
})

test('M2, M8: STOP is stored and nothing is said or answered; START says so and opens again', async () => {
  const { userId, address } = await newUser()
  const stop = message(address, ' Stop ')
  await Promise.all([post(stop), post(stop)])
  await say(address, 'are you there?')
  const stored = await fixture.db.message.findMany({ where: { userId }, orderBy: { seq: 'asc' } })
  expect(stored).toMatchObject([
    { kind: 'NOTICE', direction: 'INBOUND', state: 'ANSWERED', body: ' Stop ', channel: 'WHATSAPP' },
    // On the web, where they still are.
    { kind: 'NOTICE', direction: 'OUTBOUND', channel: 'WEB', code: 'opted_out' },
    { kind: 'CHAT', direction: 'INBOUND', state: 'REFUSED', code: 'opted_out' },
  ])
  expect(await fixture.db.delivery.count({ where: { userId } })).toBe(0)
  expect(await fixture.db.turn.count({ where: { assistant: { userId } } })).toBe(0)
  const back = message(address, 'START')
  await post(back)
  expect(await fixture.db.message.findFirst({ where: { userId, code: 'opted_in' } })).not.toBeNull()
  // Twilio says both once more: neither happens again, nor becomes a message to the assistant.
  for (const late of [stop, back]) await post(late)
  expect(await fixture.db.message.findMany({ where: { userId, body: 'START' } })).toMatchObject([
    { kind: 'NOTICE', direction: 'INBOUND', code: 'opt_in' },
  ])
  expect(await fixture.db.message.count({ where: { userId, code: { in: ['opted_out', 'opted_in'] } } })).toBe(
    3,
  )
  expect(await fixture.db.turn.count({ where: { assistant: { userId } } })).toBe(0)
  await say(address, 'start')
  expect(await fixture.db.turn.count({ where: { assistant: { userId } } })).toBe(1)
  // Twilio left them out by a word of its own, and takes them back by another.
  const channelContact = { addressHash: addressHash({ channel: 'WHATSAPP', address }) }
  const optedOutAt = new Date(fixture.clock.at)
  await fixture.db.channelContact.update({ where: channelContact, data: { optedOutAt } })
  await say(address, 'Yes')
  expect(await fixture.db.message.count({ where: { userId, code: 'opted_in' } })).toBe(2)
  await say(address, 'Yes')
  expect(await fixture.db.message.findFirst({ where: { userId, body: 'Yes', kind: 'CHAT' } })).not.toBeNull()
  await say('whatsapp:+19995551', 'STOP')
  await say('whatsapp:+19995551', 'hello?')
  expect(toldTo('whatsapp:+19995551')).toEqual([])
})

test('M2: a press is an answer: of a button or a list, whatever its words are, and it opts nobody out', async () => {
  const { userId, address } = await newUser()
  const { ctx, db } = fixture
  const to = { channel: 'WHATSAPP', address } as const
  const options = modelOptions(ctx.clock.now())
  const ask = () =>
    inTransaction(ctx, (tx) =>
      askIn(tx, ctx, { userId, to, kind: 'model', prompt: 'Which?', options, expiresInMs: 60_000 }),
    )
  const pressed = { MessageType: 'interactive', OriginalRepliedMessageSid: newSid() }
  const answerOf = async (id: string) => (await db.question.findUniqueOrThrow({ where: { id } })).answer
  const first = await ask()
  await say(address, 'Stop', {
    ...pressed,
    ButtonText: 'Stop',
    ButtonPayload: buttonData(first.questionId, 1),
  })
  expect(await answerOf(first.questionId)).toBe(options[1]?.id)
  const second = await ask()
  await say(address, '', { ...pressed, ListTitle: 'A model', ListId: buttonData(second.questionId, 2) })
  expect(await answerOf(second.questionId)).toBe(options[2]?.id)
  const written = await db.message.findMany({
    where: { userId, direction: 'INBOUND' },
    orderBy: { seq: 'asc' },
  })
  expect(written.map(({ kind, body }) => `${kind} ${body}`)).toEqual(['NOTICE Stop', 'NOTICE A model'])
  // The same word from a button of somebody else is what it says.
  await say(address, 'Stop', { MessageType: 'button', ButtonText: 'Stop', ButtonPayload: 'stop' })
  await say(address, 'hello?')
  expect(await db.message.findFirst({ where: { userId, state: 'REFUSED' } })).toMatchObject({
    body: 'hello?',
  })
})

test('M6: statuses move the delivery that their address names', async () => {
  const { userId, address } = await newUser()
  const to = { channel: 'WHATSAPP', address } as const
  await sendNotice({ ctx: fixture.ctx, input: { userId, to, code: 'test', text: 'hello' } })
  const { id } = await fixture.db.delivery.findFirstOrThrow({ where: { userId } })
  await fixture.db.delivery.update({ where: { id }, data: { attempts: 1 } })
  const tell = (MessageStatus: string, more: Record<string, string> = {}) =>
    post({ MessageSid: 'SM1', MessageStatus, ...more }, { path: `/status?delivery=${id}&attempt=1` })
  const state = async () => (await fixture.db.delivery.findUniqueOrThrow({ where: { id } })).state
  expect((await tell('queued')).status).toBe(204)
  expect(await state()).toBe('PENDING')
  await tell('delivered')
  await tell('sent')
  expect(await state()).toBe('DELIVERED')
  await tell('read')
  await tell('failed', { ErrorCode: '63024' })
  expect(await state()).toBe('READ')
  for (const path of [
    '/status',
    '/status?delivery=1&attempt=x',
    `/status?delivery=${crypto.randomUUID()}&attempt=1`,
  ]) {
    expect((await post({ MessageSid: 'SM1', MessageStatus: 'read' }, { path })).status).toBe(204)
  }
})
