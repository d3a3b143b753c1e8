import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

/** How it feels to talk to an assistant, on the phone and through the API: commands, buttons, stop, fresh starts. */
let system: System
let ada: Person
let ben: Person

beforeAll(async () => {
  system = await startTestSystem({ RATE_LIMIT_PER_MINUTE: '1000', RATE_LIMIT_PER_DAY: '10000' })
  await system.startHost()
  const [first, second] = system.people
  if (!first || !second) throw new Error('the sandbox has no people')
  ada = first
  ben = second
  for (const person of [ada, ben])
    await eventually(async () =>
      expect(await system.heard(person)).toContain('Your assistant is ready. Say hello!'),
    )
}, 60_000)
afterAll(() => system.stop(), 30_000)

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 30 })

interface Seen {
  id: number
  kind: string
  text: string
  plainText: string
  buttons?: { text: string; data: string }[][]
}
const seen = async (person: Person) =>
  (await system.sandbox(`/sim/telegram/${person.telegramUserId}/messages`)) as Seen[]
const press = (person: Person, messageId: number, data: string) =>
  system.sandbox(`/sim/telegram/${person.telegramUserId}/buttons`, { messageId, data })
const model = async (person: Person) =>
  ((await (await system.api(person, 'GET', '/assistants')).json()) as { model: string }).model
const last = async (person: Person) => (await system.heard(person)).at(-1)
/** What the model was asked, newest last. */
const asked = async () =>
  ((await system.sandbox('/sim/models/requests')) as { body: unknown }[]).map(({ body }) =>
    JSON.stringify(body),
  )
/** Streams `reply` word by word, slowly enough to be stopped. */
const streams = (match: string, reply: string) =>
  system.sandbox('/sim/models/script', { match, reply, stream: { chunkDelayMs: 100 } })

const story = 'Once upon a time there was a house and in it '.repeat(20)
const draft = async (person: Person) =>
  (await seen(person)).findLast(({ kind, text }) => kind === 'draft' && text !== '')

test('the commands stand in Telegram’s menu, and each is answered the same on every channel', async () => {
  const { result } = (await system.sandbox('/telegram/bot1:x/getMyCommands')) as {
    result: { command: string }[]
  }
  const names = result.map(({ command }) => command)
  expect(names).toEqual(['help', 'status', 'usage', 'model', 'new', 'stop', 'start'])
  const before = (await asked()).length
  await system.say(ada, '/help')
  await eventually(async () =>
    expect(await last(ada)).toContain('/status: Your assistant, plan, limits and credit'),
  )
  await system.write(ada.whatsappAddress, { body: '/help' })
  const onWhatsapp = async () => (await system.whatsapp(ada.whatsappAddress)).map(({ body }) => body)
  await eventually(async () =>
    expect((await onWhatsapp()).at(-1)).toContain('• /status: Your assistant, plan'),
  )
  const sent = await system.api(ada, 'POST', '/messages', { text: '/status' })
  expect(sent.status).toBe(202)
  const { messages } = (await (await system.api(ada, 'GET', '/messages?limit=2')).json()) as {
    messages: { body: string; channel: string }[]
  }
  expect(messages).toMatchObject([
    { channel: 'WEB', body: expect.stringContaining('- Assistant: ready') },
    { channel: 'WEB', body: '/status' },
  ])
  expect(await asked()).toHaveLength(before)
  await system.say(ada, '/dance')
  await eventually(async () => expect(await last(ada)).toBe('/dance'))
})

test('I9: a model is chosen by a button, and not by one that somebody else makes up', async () => {
  await system.say(ada, '/model')
  const question = async () => (await seen(ada)).findLast(({ buttons }) => buttons !== undefined)
  await eventually(async () => expect((await question())?.plainText).toMatch(/^Your assistant thinks with/))
  const { id = 0, buttons = [] } = (await question()) ?? {}
  const data = buttons.flat().find(({ text }) => text === 'GPT-4o Mini')?.data ?? ''
  await system.say(ben, 'hello')
  await eventually(async () => expect(await last(ben)).toBe('hello'))
  const bens = (await seen(ben)).findLast(({ kind }) => kind === 'message')?.id ?? 0
  const toasts = async (person: Person) =>
    (await seen(person)).flatMap(({ kind, text }) => (kind === 'notice' ? [text] : []))
  await press(ben, bens, data)
  await eventually(async () => expect(await toasts(ben)).toEqual([expect.stringMatching(/not for you/)]))
  expect(await model(ada)).not.toBe('openai/gpt-4o-mini')
  await press(ada, id, data)
  await eventually(async () =>
    expect(await toasts(ada)).toEqual(['Your assistant now thinks with GPT-4o Mini.']),
  )
  expect(await model(ada)).toBe('openai/gpt-4o-mini')
  expect(await model(ben)).not.toBe('openai/gpt-4o-mini')
  // The buttons go once they were used.
  await eventually(async () => expect((await seen(ada)).find((event) => event.kind === 'edit')?.id).toBe(id))
  const question2 = await system.api(ben, 'POST', `/questions/${crypto.randomUUID()}/answer`, { option: 'x' })
  expect(question2.status).toBe(404)
})

const newestOnWhatsapp = async ({ whatsappAddress }: Person) =>
  (await system.whatsapp(whatsappAddress)).findLast(({ kind }) => kind !== 'typing')
const pressOnWhatsapp = ({ whatsappAddress }: Person, messageSid: string, data: string) =>
  system.sandbox(`/sim/whatsapp/${encodeURIComponent(whatsappAddress)}/buttons`, { messageSid, data })

test('I9: on WhatsApp a choice of a list answers what was asked, and not another person’s, nor twice', async () => {
  const newest = async (person: Person) => (await newestOnWhatsapp(person))?.body ?? ''
  await system.write(ben.whatsappAddress, { body: '/model' })
  await eventually(async () => expect((await newestOnWhatsapp(ben))?.choices?.list).toBe('Choose'))
  const { sid = '', body, choices } = (await newestOnWhatsapp(ben)) ?? {}
  // In between it may say that the model ends.
  expect(body).toMatch(/^Your assistant thinks with \*.*\*\. (.+\. )?Which model should it use\?$/)
  const dataOf = (name: string) => choices?.options.find(({ title }) => title === name)?.id ?? ''
  const adas = await model(ada)
  await pressOnWhatsapp(ada, sid, dataOf('Claude Haiku 4.5'))
  await eventually(async () => expect(await newest(ada)).toMatch(/not for you/))
  expect(await model(ben)).not.toContain('haiku')
  await pressOnWhatsapp(ben, sid, dataOf('Claude Haiku 4.5'))
  await eventually(async () =>
    expect(await newest(ben)).toBe('Your assistant now thinks with Claude Haiku 4.5.'),
  )
  await pressOnWhatsapp(ben, sid, dataOf('Claude Opus 4.5'))
  await eventually(async () => expect(await newest(ben)).toBe('You have already chosen Claude Haiku 4.5.'))
  expect(await model(ben)).toContain('haiku')
  expect(await model(ada)).toBe(adas)
})

test('M6: on WhatsApp a number answers what was asked where its buttons are refused', async () => {
  await system.sandbox('/sim/faults', { provider: 'twilio', status: 400, errorCode: 21656, count: 1 })
  await system.write(ben.whatsappAddress, { body: '/model' })
  const newest = async () => (await system.whatsapp(ben.whatsappAddress)).at(-1)?.body ?? ''
  await eventually(async () => expect(await newest()).toMatch(/Answer with a number\.$/))
  const [, number = ''] = /^(\d+)\. Claude Opus 4\.5$/m.exec(await newest()) ?? []
  await system.write(ben.whatsappAddress, { body: number })
  await eventually(async () => expect(await newest()).toBe('Your assistant now thinks with Claude Opus 4.5.'))
  expect(await model(ben)).toContain('opus')
})

test('M11: an answer is seen while it is written; /stop ends it, and what is there of it is kept and marked', async () => {
  await streams('a story', story)
  await system.say(ada, 'tell me a story')
  await eventually(async () => expect((await draft(ada))?.text).toMatch(/^Once/))
  await system.say(ada, '/stop')
  await eventually(async () => expect(await last(ada)).toMatch(/^Once[\s\S]*⏹ <i>Stopped\.<\/i>$/))
  const { messages } = (await (await system.api(ada, 'GET', '/messages?limit=1')).json()) as {
    messages: { body: string; stopped?: boolean }[]
  }
  expect(messages[0]).toMatchObject({ stopped: true, body: expect.stringMatching(/^Once/) })
  // Nothing is shown behind the answer.
  expect((await seen(ada)).at(-1)?.kind).toBe('message')
  await system.say(ada, 'and now?')
  await eventually(async () => expect(await last(ada)).toBe('and now?'))
})

test('M11: the button below a preview stops its own answer, and nobody else’s', async () => {
  const stops = (person: Person, draftId: number) =>
    system.sandbox(`/sim/telegram/${person.telegramUserId}/stops`, { draftId })
  await streams('a tale', story)
  await system.say(ben, 'tell me a tale')
  await eventually(async () => expect((await draft(ben))?.text).toMatch(/^Once/))
  const { id = 0 } = (await draft(ben)) ?? {}
  await stops(ada, id)
  await stops(ben, id + 1)
  await system.say(ada, 'ping')
  await eventually(async () => expect(await last(ada)).toBe('ping'))
  expect(await last(ben)).not.toMatch(/Stopped/)
  await stops(ben, id)
  await eventually(async () => expect(await last(ben)).toMatch(/⏹ <i>Stopped\.<\/i>$/))
})

test('M13: /new begins a fresh conversation, and the assistant’s own is still there', async () => {
  await system.say(ben, 'my number is 4711')
  await eventually(async () => expect(await last(ben)).toBe('my number is 4711'))
  await system.say(ben, '/new')
  await eventually(async () => expect(await last(ben)).toMatch(/fresh conversation/))
  await system.say(ben, 'which number?')
  await eventually(async () => expect(await last(ben)).toBe('which number?'))
  expect((await asked()).at(-1)).not.toContain('4711')
  await system.say(ben, 'and again?')
  await eventually(async () => expect(await last(ben)).toBe('and again?'))
  expect((await asked()).at(-1)).toContain('which number?')
})

test('M1, M4: fifty messages in a second are all answered, in a few turns', async () => {
  const before = (await asked()).length
  await Promise.all(Array.from({ length: 50 }, (_, index) => system.say(ada, `flood ${index}.`)))
  const answered = async () => (await system.heard(ada)).join('\n')
  await eventually(async () => {
    const text = await answered()
    for (let index = 0; index < 50; index += 1) expect(text).toContain(`flood ${index}.`)
  })
  expect((await asked()).length - before).toBeLessThan(25)
})

test('a message of ten thousand entities is answered like any other', async () => {
  const text = 'ab '.repeat(1_300)
  const entities = Array.from({ length: 10_000 }, (_, index) => ({
    type: 'bold',
    offset: (index * 3) % 3_900,
    length: 2,
  }))
  const from = { id: ben.telegramUserId, is_bot: false, first_name: 'Ben' }
  const chat = { id: ben.telegramUserId, type: 'private' }
  const response = await fetch(`${system.apiUrl}/api/v1/webhooks/telegram`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-telegram-bot-api-secret-token': 'development-secret',
    },
    body: JSON.stringify({
      update_id: 990_001,
      message: { message_id: 1, date: 0, from, chat, text: `${text}the end`, entities },
    }),
  })
  expect(response.status).toBe(200)
  await eventually(async () => expect(await last(ben)).toMatch(/ab the end$/))
  // And one that the assistant writes.
  await system.sandbox('/sim/models/script', { match: 'many marks', reply: '- **a** `b`\n'.repeat(5_000) })
  await system.say(ben, 'many marks')
  const parts = async () => (await system.heard(ben)).filter((part) => part.includes('<b>a</b>'))
  // A chat takes one message a second; the first ones show that they are on their way.
  await eventually(async () => expect((await parts()).length).toBeGreaterThan(1))
})
