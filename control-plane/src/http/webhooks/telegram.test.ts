import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTransaction } from '../../context.ts'
import { startBinding } from '../../services/channel/start-binding.ts'
import { unbind } from '../../services/channel/unbind.ts'
import { createFixture, createPerson, type Fixture } from '../../services/conversation/fixtures.ts'
import { listMessages } from '../../services/conversation/list-messages.ts'
import { storeOutgoing } from '../../services/conversation/send-notice.ts'
import { askIn } from '../../services/question/ask.ts'
import { buttonData } from '../../services/question/button.ts'
import { modelOptions } from '../../services/question/choose-model.ts'
import { telegramWebhook } from './telegram.ts'

let fixture: Fixture
let updateId = 1000
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

function post(message: object, options: { secret?: string; raw?: string } = {}) {
  const app = telegramWebhook({ ctx: fixture.ctx, secret: 'right' })
  const headers = { 'x-telegram-bot-api-secret-token': options.secret ?? 'right' }
  const body = options.raw ?? JSON.stringify({ update_id: ++updateId, message })
  return app.request('/', { method: 'POST', headers, body })
}
const privateChat = (id: string) => ({ id: Number(id), type: 'private' })
const owner = (address: string) =>
  fixture.db.userPhone.findFirst({ where: { address, unboundAt: null } }).then((found) => found?.userId)
const start = (userId: string) => startBinding({ ctx: fixture.ctx, input: { userId, channel: 'TELEGRAM' } })

test('I4: a missing, wrong or unset secret is refused and nothing is stored', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const message = { chat: privateChat(address), text: 'hi' }
  expect((await post(message, { secret: 'wrong' })).status).toBe(403)
  const app = telegramWebhook({ ctx: fixture.ctx, secret: '' })
  expect((await app.request('/', { method: 'POST', body: '{}' })).status).toBe(401)
  const headers = { 'x-telegram-bot-api-secret-token': '' }
  expect((await app.request('/', { method: 'POST', headers, body: '{}' })).status).toBe(403)
  expect(await fixture.db.message.count({ where: { userId } })).toBe(0)
})

test('M3: a message is stored and acknowledged; what is not understood is acknowledged too', async () => {
  const { userId, address } = await createPerson(fixture.db)
  expect((await post({ chat: privateChat(address), text: 'a\u0000\ud800b' })).status).toBe(200)
  expect((await fixture.db.message.findFirstOrThrow({ where: { userId } })).body).toBe('a\ufffdb')
  expect((await post({}, { raw: 'not json' })).status).toBe(200)
  expect((await post({}, { raw: '{"update_id":1,"poll":{}}' })).status).toBe(200)
  expect((await post({}, { raw: 'x'.repeat(1024 * 1024 + 1) })).status).toBe(413)
})

test('I1: only an unused code binds, to one user at a time', async () => {
  const [anna, ben] = [await createPerson(fixture.db), await createPerson(fixture.db)]
  const { code, bindUrl } = await start(anna.userId)
  expect(bindUrl).toBe(`https://t.me/test_bot?start=${code}`)
  const say = (chat: string, text: string) => post({ chat: privateChat(chat), text })
  await say('777', `/start ${code}`)
  expect(await owner('777')).toBe(anna.userId)
  expect(await owner(anna.address)).toBeUndefined()
  await say('778', `/start ${code}`)
  expect(await owner('778')).toBeUndefined()
  const bens = await start(ben.userId)
  await say('777', `/start ${bens.code}`)
  expect(await owner('777')).toBe(anna.userId)
  await unbind({ ctx: fixture.ctx, input: { userId: anna.userId, channel: 'TELEGRAM' } })
  await say('777', `/start ${bens.code}`)
  expect(await owner('777')).toBe(ben.userId)
})

test('I1: a code binds one of two chats that use it at once, and none after it expired', async () => {
  const { userId } = await createPerson(fixture.db)
  const { code } = await start(userId)
  await Promise.all(['881', '882'].map((id) => post({ chat: privateChat(id), text: `/start ${code}` })))
  expect([await owner('881'), await owner('882')].filter((found) => found === userId)).toHaveLength(1)
  const late = await start(userId)
  fixture.clock.at += 15 * 60_000
  await post({ chat: privateChat('883'), text: `/start ${late.code}` })
  expect(await owner('883')).toBeUndefined()
})

test('I1: codes that are no good are answered once an hour', async () => {
  const guess = (code: string) => post({ chat: privateChat('991'), text: `/start ${code}` })
  const answers = () => fixture.told.filter(({ to }) => to.address === '991').map(({ text }) => text)
  for (const code of ['AAAA', 'BBBB', 'CCCC']) await guess(code)
  expect(answers()).toEqual([expect.stringMatching(/expired or was used/)])
  fixture.clock.at += 3_600_000
  await guess('DDDD')
  expect(answers()).toHaveLength(2)
})

test('M9: what nobody understands, and whose first delivery ended before it was told, is told by the next, once', async () => {
  const { userId, address } = await createPerson(fixture.db)
  await fixture.receive(address, 'look', '5000', 5000n)
  const photo = {
    chat: privateChat(address),
    caption: 'look',
    voice: { file_id: 'v', file_size: 25_000_000 },
  }
  const again = () => post({}, { raw: JSON.stringify({ update_id: 5000, message: photo }) })
  await again()
  await again()
  const told = { where: { userId, code: 'media_unsupported' } }
  expect(await fixture.db.message.count(told)).toBe(1)
})

test('M9: of a file that is too large the model hears with the words beside it', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const document = { file_id: 'd', file_size: 25_000_000, file_name: 'film.bin', mime_type: 'video/x-film' }
  await post({ chat: privateChat(address), caption: 'What is this?', document })
  expect(await fixture.db.message.findFirst({ where: { userId, direction: 'INBOUND' } })).toMatchObject({
    body: 'What is this?',
    context: '[File (video/x-film) "film.bin" did not arrive: it is larger than 20 MB. The user was told.]',
  })
})

test('M9: a picture that is put in the place of another is taken; a new caption alone brings no file again', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const picture = (id: string, uniqueId = id) => [
    { file_id: id, file_unique_id: uniqueId, file_size: 10, width: 1, height: 1 },
  ]
  const change = (photo: object[], caption: string) => {
    const edited_message = { chat: privateChat(address), message_id: 7, photo, caption }
    return post({}, { raw: JSON.stringify({ update_id: ++updateId, edited_message }) })
  }
  const rows = async () => {
    const all = await fixture.db.attachment.findMany({ where: { userId }, orderBy: { createdAt: 'asc' } })
    return all.map(({ source, messageId }) => [(source as { fileId: string }).fileId, messageId])
  }
  const messages = () => fixture.db.message.findMany({ where: { userId }, orderBy: { seq: 'asc' } })
  await post({ chat: privateChat(address), message_id: 7, photo: picture('cat'), caption: 'look' })
  await change(picture('cat'), 'look here')
  await change(picture('dog'), 'look here')
  const [first, ...none] = await messages()
  expect([first?.body, none, await rows()]).toEqual(['look here', [], [['dog', first?.id]]])
  // Its turn has it by now.
  const turn = await fixture.db.turn.findFirstOrThrow({ where: { assistant: { userId } } })
  await fixture.db.message.update({
    where: { id: first?.id ?? '' },
    data: { turnId: turn.id, state: 'ANSWERED' },
  })
  await change(picture('dog, by another name', 'dog'), 'look there')
  await change(picture('dog'), 'look over there')
  const [, later] = await messages()
  expect(later?.context).toBe('[The user changed an earlier message: "look here". It now says:]')
  expect(await rows()).toEqual([['dog', first?.id]])
  await change(picture('cow'), 'look over there')
  expect(await rows()).toEqual([
    ['dog', first?.id],
    ['cow', later?.id],
  ])
  expect(await messages()).toHaveLength(2)
})

test('I2: a username gains nothing', async () => {
  const { userId } = await createPerson(fixture.db)
  const { code } = await start(userId)
  await post({ chat: privateChat('991'), from: { username: 'anna' }, text: `/start ${code}` })
  await post({ chat: privateChat('992'), from: { username: 'anna' }, text: 'it is me' })
  expect(await fixture.db.message.count({ where: { userId, direction: 'INBOUND' } })).toBe(0)
})

test('I3: a group neither binds nor drives an assistant', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const { code } = await start(userId)
  await post({ chat: { id: -5, type: 'group' }, text: `/start ${code}` })
  await post({ chat: { id: Number(address), type: 'supergroup' }, text: 'hi' })
  expect(await owner('-5')).toBeUndefined()
  expect(await fixture.db.message.count({ where: { userId } })).toBe(0)
})

test('I9: a press is answered to whoever presses; one that another person makes up, or a group, changes nothing', async () => {
  const [anna, ben] = [await createPerson(fixture.db), await createPerson(fixture.db)]
  const { ctx, clock } = fixture
  const to = { channel: 'TELEGRAM', address: anna.address } as const
  const { questionId } = await inTransaction(ctx, async (tx) => {
    const options = modelOptions(clock.at)
    return askIn(tx, ctx, {
      userId: anna.userId,
      to,
      kind: 'model',
      prompt: 'Which?',
      options,
      expiresInMs: 1,
    })
  })
  const place = modelOptions(clock.at).findIndex(({ id }) => id === 'openai/gpt-4o')
  const data = buttonData(questionId, place)
  const press = async (from: string, chat: object, given: string | undefined = data) => {
    const query = { id: 'q1', from: { id: Number(from) }, message: { chat, message_id: 1 }, data: given }
    const answer = await post({}, { raw: JSON.stringify({ update_id: ++updateId, callback_query: query }) })
    return (await answer.json()) as object
  }
  const refused = {
    method: 'answerCallbackQuery',
    callback_query_id: 'q1',
    text: expect.stringMatching(/not for you/),
  }
  expect(await press(ben.address, privateChat(ben.address))).toEqual(refused)
  expect(await press(ben.address, privateChat(anna.address))).toEqual(refused)
  expect(await press(anna.address, { id: -5, type: 'group' })).toEqual(refused)
  expect(await press(anna.address, privateChat(anna.address), '')).toEqual(refused)
  expect(await press(anna.address, privateChat(anna.address))).toMatchObject({
    text: expect.stringMatching(/GPT-4o/),
  })
  const { model } = await fixture.db.assistant.findUniqueOrThrow({ where: { userId: anna.userId } })
  expect(model).toBe('openai/gpt-4o')
})

const update = (part: object) => post({}, { raw: JSON.stringify({ update_id: ++updateId, ...part }) })
const edit = (message: object) => update({ edited_message: message })
const rows = async (userId: string) => {
  const found = await fixture.db.message.findMany({ where: { userId }, orderBy: { seq: 'asc' } })
  return found.map(
    ({ kind, direction, state, body }) => `${kind} ${direction === 'INBOUND' ? '>' : '<'} ${state} ${body}`,
  )
}

test('M8: a message that is edited into a command is one, and no message; a command edited into words is one', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const chat = privateChat(address)
  await post({ chat, message_id: 1, text: '/hlep' })
  await edit({ chat, message_id: 1, text: '/help' })
  await edit({ chat, message_id: 1, text: '/help' })
  const help = 'NOTICE < PENDING Write to your'
  const withdrawn = 'NOTICE > ANSWERED /hlep'
  const asked = [withdrawn, 'NOTICE > ANSWERED /help', expect.stringContaining(help)]
  expect(await rows(userId)).toEqual(asked)
  // M14: what was withdrawn is not counted any more.
  expect(await fixture.db.usageDaily.findFirst({ where: { userId } })).toMatchObject({ inboundCount: 0 })
  await edit({ chat, message_id: 1, text: 'help me' })
  expect((await rows(userId)).slice(3)).toEqual(['CHAT > RECEIVED help me'])
  expect(await fixture.db.message.findMany({ where: { userId, NOT: { context: null } } })).toEqual([])

  // One that was answered: the command is done, and the model hears nothing of it.
  await fixture.db.message.updateMany({ where: { userId, kind: 'CHAT' }, data: { state: 'ANSWERED' } })
  await edit({ chat, message_id: 1, text: '/new plan my week' })
  await edit({ chat, message_id: 1, text: '/new plan my week' })
  expect((await rows(userId)).slice(4)).toEqual([
    'CHAT > RECEIVED plan my week',
    expect.stringContaining('fresh conversation'),
  ])
  const { conversation } = await fixture.db.assistant.findUniqueOrThrow({ where: { userId } })
  expect(conversation).toBe(1)
  const before = (await rows(userId)).length
  await edit({ chat, message_id: 1, text: '/stop plan my week' })
  expect((await rows(userId)).length).toBeGreaterThan(before)
})

test('what was edited says so to its person: of itself before anybody took it, and afterwards of what it changes', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const chat = privateChat(address)
  const shown = async () => {
    const { messages } = await listMessages({ ctx: fixture.ctx, input: { userId, limit: 10 } })
    return messages.toReversed().map(({ body, editedFrom }) => [body, editedFrom])
  }
  await post({ chat, message_id: 1, text: 'at five' })
  await edit({ chat, message_id: 1, text: 'at six' })
  expect(await shown()).toEqual([['at six', '']])
  await fixture.db.message.updateMany({ where: { userId }, data: { state: 'ANSWERED' } })
  const whole = { chat, message_id: 1, text: `at seven ${'x'.repeat(400)}` }
  await edit(whole)
  expect(await shown()).toEqual([
    ['at six', ''],
    [whole.text, 'at six'],
  ])
  await fixture.db.message.updateMany({ where: { userId }, data: { state: 'ANSWERED' } })
  await edit({ chat, message_id: 1, text: 'at eight' })
  expect((await shown())[2]).toEqual(['at eight', `${whole.text.slice(0, 300)}…`])
  await edit({ chat, message_id: 2, text: 'of one that we do not know' })
  expect((await shown())[3]).toEqual(['of one that we do not know', ''])
})

test('M9: a caption that is edited into a command stays a caption', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const document = { file_id: 'd', file_size: 5, file_name: 'a.txt' }
  const message = { chat: privateChat(address), message_id: 1, document }
  await post({ ...message, caption: 'look' })
  await edit({ ...message, caption: '/new' })
  expect(await rows(userId)).toEqual(['CHAT > RECEIVED /new'])
  await edit(message)
  expect(await rows(userId)).toEqual(['CHAT > RECEIVED '])
})

test('M8: what a message answers is shown to the model, but for our own words', async () => {
  const { userId, address } = await createPerson(fixture.db)
  const { db, ctx } = fixture
  const chat = privateChat(address)
  const to = { channel: 'TELEGRAM', address } as const
  const said = async (kind: 'CHAT' | 'NOTICE', text: string, providerMessageId: string) => {
    const messageId = await inTransaction(ctx, (tx) => storeOutgoing(tx, ctx, { userId, to, kind, text }))
    await db.delivery.updateMany({ where: { messageId }, data: { providerMessageId } })
  }
  await said('CHAT', 'It is **nine**.', '11')
  await said('NOTICE', 'Nothing is running.', '12')
  const bot = { id: 1, is_bot: true }
  const answer = async (before: object, more = {}) => {
    await post({ chat, text: 'Really?', reply_to_message: { chat, from: bot, ...before }, ...more })
    return (await db.message.findFirstOrThrow({ where: { userId }, orderBy: { seq: 'desc' } })).context
  }
  expect(await answer({ message_id: 11, text: 'It is nine.' })).toBe(
    '[The user answers your message: "It is nine."]',
  )
  expect(await answer({ message_id: 11, text: 'It is nine.' }, { quote: { text: 'nine' } })).toBe(
    '[The user answers your message: "nine"]',
  )
  const stopped = { message_id: 11, text: 'It is\n\n⏹ Stopped.' }
  expect(await answer(stopped)).toBe('[The user answers your message: "It is"]')
  expect(await answer({ message_id: 12, text: 'Nothing is running.' })).toBeNull()
  expect(await answer({ message_id: 12, text: '…' }, { quote: { text: 'running' } })).toBeNull()
  // Said to a stranger, or not known: nobody can tell whose words these are.
  expect(await answer({ message_id: 99, text: "I don't know this chat yet." })).toBeNull()
  const own = { message_id: 98, from: { id: Number(address) }, text: 'mine' }
  expect(await answer(own)).toBe('[The user answers a message of their own: "mine"]')
})
