import { createHmac } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

let system: System
let ada: Person
let ben: Person
const logs: Record<string, unknown>[] = []
const ready = 'Your assistant is ready. Say hello!'

beforeAll(async () => {
  system = await startTestSystem({ RATE_LIMIT_PER_MINUTE: '1000', RATE_LIMIT_PER_DAY: '10000' }, logs)
  const [first, second] = system.people
  if (!first || !second) throw new Error('the sandbox has no people')
  ada = first
  ben = second
  await system.startHost()
  await eventually(async () => expect(await system.heard(ada)).toEqual([ready]))
}, 60_000)
afterAll(() => system.stop(), 30_000)

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 50 })
const sent = async (address: string) =>
  (await system.whatsapp(address)).filter(({ kind }) => kind !== 'typing')
const texts = async (address: string) => (await sent(address)).map(({ body }) => body)
const say = (person: Person, body: string) => system.write(person.whatsappAddress, { body })
const advanceClock = (advanceSeconds: number) => system.sandbox('/sim/whatsapp/clock', { advanceSeconds })

test('M7, M11: a WhatsApp message is answered there, in WhatsApp’s marks, with typing before it', async () => {
  // An answer that comes at once needs no typing.
  const reply = '# Today\n\nIt is **sunny**.'
  await system.sandbox('/sim/models/script', { match: 'weather', reply, delayMs: 1_000 })
  const { messageSid } = await say(ada, 'How is the weather?')
  await eventually(async () =>
    expect(await texts(ada.whatsappAddress)).toEqual(['*Today*\n\nIt is *sunny*.']),
  )
  expect(await system.whatsapp(ada.whatsappAddress)).toContainEqual(
    expect.objectContaining({ kind: 'typing', sid: messageSid }),
  )
  expect(await system.heard(ada)).toEqual([ready])
})

test('M6: what Twilio tells of a message is its state: read, in the end', async () => {
  await eventually(async () => {
    const page = await system.api(ada, 'GET', '/messages?limit=1')
    const { messages } = (await page.json()) as { messages: object[] }
    expect(messages).toMatchObject([{ channel: 'WHATSAPP', direction: 'OUTBOUND', state: 'READ' }])
  })
})

test('M7: a long answer comes in parts of at most 1600 characters, in order', async () => {
  const reply = Array.from({ length: 700 }, (_, index) => `word${index}`).join(' ')
  await system.sandbox('/sim/models/script', { match: 'long story', reply })
  const before = (await texts(ada.whatsappAddress)).length
  await say(ada, 'a long story please')
  await eventually(async () => {
    const parts = (await texts(ada.whatsappAddress)).slice(before)
    expect(parts.join(' ')).toBe(reply)
    expect(parts.every((part) => part.length <= 1600)).toBe(true)
  })
})

test('M2: one message posted 20 times at once is answered once', async () => {
  const { messageSid } = await say(ben, 'only once')
  const url = `${system.apiUrl}/api/v1/webhooks/twilio/whatsapp`
  const parameters = { Body: 'only once', From: ben.whatsappAddress, MessageSid: messageSid }
  const text = url + Object.entries(parameters).flat().join('')
  const signature = createHmac('sha1', 'development-twilio-token').update(text).digest('base64')
  const again = () =>
    fetch(url, {
      method: 'POST',
      headers: { 'x-twilio-signature': signature },
      body: new URLSearchParams(parameters),
    })
  const answers = await Promise.all(Array.from({ length: 20 }, again))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  await say(ben, 'and then this')
  await eventually(async () =>
    expect((await texts(ben.whatsappAddress)).join('\n')).toContain('and then this'),
  )
  expect((await texts(ben.whatsappAddress)).join('\n').match(/only once/g)).toHaveLength(1)
})

test('I1, I2: a code sent from a phone without a number binds that phone, and no other', async () => {
  const address = 'whatsapp:US.1234567890'
  await system.api(ben, 'DELETE', '/users/me/channel/WHATSAPP')
  const answer = await system.api(ben, 'POST', '/users/me/channel', { channel: 'WHATSAPP' })
  const { bindUrl, code } = (await answer.json()) as { bindUrl: string; code: string }
  const link = new URL(bindUrl)
  expect(link.origin + link.pathname).toBe('https://wa.me/15550100')
  await system.write(address, { body: link.searchParams.get('text') ?? '' })
  await eventually(async () => expect((await texts(address)).at(-1)).toMatch(/connected/))
  await system.write('whatsapp:US.999', { body: code })
  await eventually(async () => expect((await texts('whatsapp:US.999')).at(-1)).toMatch(/expired or was used/))
  await system.write(address, { body: 'who am I?' })
  await eventually(async () => expect((await texts(address)).at(-1)).toBe('who am I?'))
  const profile = (await (await system.api(ben, 'GET', '/users/me')).json()) as { channels: object[] }
  expect(profile.channels).toContainEqual(expect.objectContaining({ channel: 'WHATSAPP', address }))
})

test('I9: of one person’s three channels each gets the answer to what was asked there, and the web shows all', async () => {
  await system.sandbox('/sim/models/script', { match: 'over there', reply: 'Slowly, there.', delayMs: 1_000 })
  const onTelegram = async () => (await system.heard(ada)).slice(-1)
  const before = { telegram: await system.heard(ada), whatsapp: await texts(ada.whatsappAddress) }
  await say(ada, 'over there, on WhatsApp')
  await eventually(async () => expect((await texts(ada.whatsappAddress)).at(-1)).toBe('Slowly, there.'))
  await system.say(ada, 'here on Telegram')
  await eventually(async () => expect(await onTelegram()).toEqual(['here on Telegram']))
  expect((await system.api(ada, 'POST', '/messages', { text: 'here on the web' })).status).toBe(202)
  const newest = async () => {
    const page = await system.api(ada, 'GET', '/messages?limit=6')
    const { messages } = (await page.json()) as { messages: { channel: string; body: string }[] }
    return messages.map(({ channel, body }) => `${channel} ${body}`).toReversed()
  }
  await eventually(async () =>
    expect(await newest()).toEqual([
      'WHATSAPP over there, on WhatsApp',
      'WHATSAPP Slowly, there.',
      'TELEGRAM here on Telegram',
      'TELEGRAM here on Telegram',
      'WEB here on the web',
      'WEB here on the web',
    ]),
  )
  expect(await system.heard(ada)).toEqual([...before.telegram, 'here on Telegram'])
  expect(await texts(ada.whatsappAddress)).toEqual([...before.whatsapp, 'Slowly, there.'])
})

test('M12: outside the 24-hour window a message waits behind one invitation, and comes when the person writes', async () => {
  const { whatsappAddress } = ada
  await system.sandbox('/sim/models/script', { match: 'ponder', reply: 'a late answer', delayMs: 1500 })
  const before = (await sent(whatsappAddress)).length
  await say(ada, 'ponder this')
  await eventually(async () => {
    const requests = (await system.sandbox('/sim/models/requests')) as object[]
    expect(JSON.stringify(requests.at(-1))).toContain('ponder this')
  })
  // Only WhatsApp's clock: our side believes the window open, and learns better from 63016.
  await advanceClock(25 * 3600)
  await eventually(async () =>
    expect((await sent(whatsappAddress)).slice(before)).toMatchObject([
      { kind: 'message', body: 'a late answer', status: 'failed' },
      { kind: 'template', body: 'Your assistant has a message for you. Answer to read it.' },
    ]),
  )
  await say(ada, 'what is it?')
  await eventually(async () =>
    expect((await sent(whatsappAddress)).slice(before + 2)).toMatchObject([
      { kind: 'message', body: 'a late answer', status: 'read' },
      { kind: 'message', body: 'what is it?' },
    ]),
  )
})

test('M1, M12: who comes back after days gets what they asked for, and is told of what came by itself, which is on the web', async () => {
  const { whatsappAddress } = ada
  const database = new pg.Client(system.databaseUrl)
  await database.connect()
  const held = async () => {
    const { rows } = await database.query('SELECT 1 FROM deliveries WHERE held_at IS NOT NULL')
    return rows.length
  }
  const requests = async () => JSON.stringify(await system.sandbox('/sim/models/requests'))
  await system.sandbox('/sim/models/script', { match: 'muse', reply: 'A thought.', delayMs: 1_500 })
  await system.sandbox('/sim/models/script', { match: 'ponder', reply: 'An answer.', delayMs: 1_500 })
  await say(ada, 'muse on this')
  await eventually(async () => expect(await requests()).toContain('muse on this'))
  await say(ada, 'ponder that')
  await advanceClock(25 * 3600)
  await eventually(async () => expect(await held()).toBe(2))
  // As if the assistant had said it by itself.
  await database.query("UPDATE messages SET turn_id = NULL WHERE body = 'A thought.'")
  await database.query(
    "UPDATE deliveries SET held_at = held_at - interval '3 days' WHERE held_at IS NOT NULL",
  )
  await database.end()
  const before = (await sent(whatsappAddress)).length
  await say(ada, 'I am back')
  await eventually(async () =>
    expect((await texts(whatsappAddress)).slice(before)).toEqual([
      expect.stringMatching(/^While I could not write to you here, .* old by now.*\/dashboard\/chat\.$/),
      'An answer.',
      'I am back',
    ]),
  )
  const page = await system.api(ada, 'GET', '/messages?limit=10')
  const { messages } = (await page.json()) as { messages: { body: string; state: string }[] }
  expect(messages).toContainEqual(expect.objectContaining({ body: 'A thought.', state: 'FAILED' }))
})

test('M12: the word that the assistant is ready is a template outside the window', async () => {
  await system.api(ben, 'DELETE', '/users/me/channel/TELEGRAM')
  await system.api(ben, 'DELETE', '/assistants')
  await eventually(async () => {
    const { status } = (await (await system.api(ben, 'GET', '/assistants')).json()) as { status: string }
    expect(status).toBe('NONE')
  })
  await advanceClock(25 * 3600)
  await system.api(ben, 'POST', '/assistants', {})
  await eventually(async () =>
    expect((await sent('whatsapp:US.1234567890')).at(-1)).toMatchObject({
      kind: 'template',
      body: 'Hello Ben, your assistant is ready. Answer this message to begin.',
      status: 'read',
    }),
  )
})

test('M9: a voice message is heard and answered', async () => {
  await system.write(ada.whatsappAddress, { body: '', voice: true })
  await eventually(async () =>
    expect((await texts(ada.whatsappAddress)).at(-1)).toMatch(/A recording of \d+ bytes\./),
  )
})

test('after STOP nothing is sent, until START', async () => {
  const { whatsappAddress } = ada
  await say(ada, 'STOP')
  const before = (await texts(whatsappAddress)).length
  await say(ada, 'are you still there?')
  await say(ada, 'START')
  await eventually(async () =>
    expect((await texts(whatsappAddress)).slice(before)).toEqual([expect.stringMatching(/Welcome back/)]),
  )
  await say(ada, 'hello again')
  await eventually(async () => expect((await texts(whatsappAddress)).at(-1)).toBe('hello again'))
  expect(await texts(whatsappAddress)).not.toContain('are you still there?')
})

test('M10: a stranger gets one helpful answer', async () => {
  const stranger = 'whatsapp:+15559999'
  for (const body of ['hi', 'anyone?', 'hello']) await system.write(stranger, { body })
  await say(ada, 'a marker')
  await eventually(async () => expect((await texts(ada.whatsappAddress)).at(-1)).toBe('a marker'))
  await eventually(async () =>
    expect(await texts(stranger)).toEqual([expect.stringMatching(/don't know this chat/)]),
  )
})

test('M6: a refusal by Twilio is tried again, and the order is kept', async () => {
  const before = (await texts(ada.whatsappAddress)).length
  await system.sandbox('/sim/faults', { provider: 'twilio', status: 503, count: 2 })
  await say(ada, 'first')
  await eventually(async () => expect(await texts(ada.whatsappAddress)).toHaveLength(before + 1))
  await say(ada, 'second')
  await eventually(async () =>
    expect((await texts(ada.whatsappAddress)).slice(before)).toEqual(['first', 'second']),
  )
})

test('M1, M4: fifty messages in a second reach the model, in order, in a few turns', async () => {
  await system.sandbox('/sim/models/script', { match: 'flood', reply: 'Taken.', delayMs: 1_000 })
  const requests = async () => (await system.sandbox('/sim/models/requests')) as { body: unknown }[]
  const before = (await requests()).length
  await Promise.all(Array.from({ length: 50 }, (_, index) => say(ada, `flood ${index}.`)))
  const turns = async () => (await requests()).slice(before).map(({ body }) => JSON.stringify(body))
  // Each request holds the conversation so far.
  const reached = async () => [...new Set((await turns()).join('').match(/flood \d+\./g) ?? [])]
  await eventually(async () => expect(await reached()).toHaveLength(50))
  const page = await system.api(ada, 'GET', '/messages?limit=60')
  const { messages } = (await page.json()) as { messages: { body: string; direction: string }[] }
  const stored = messages.filter(({ body, direction }) => direction === 'INBOUND' && body.startsWith('flood'))
  expect(await reached()).toEqual(stored.map(({ body }) => body).toReversed())
  expect((await turns()).length).toBeLessThan(10)
  await eventually(async () => expect((await texts(ada.whatsappAddress)).at(-1)).toBe('Taken.'))
})

test('I4: a webhook without a signature or with a wrong one is refused', async () => {
  for (const path of ['whatsapp', 'status']) {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': 'wrong' }
    const url = `${system.apiUrl}/api/v1/webhooks/twilio/${path}`
    expect((await fetch(url, { method: 'POST', headers, body: 'From=whatsapp:%2B1' })).status).toBe(403)
    expect((await fetch(url, { method: 'POST' })).status).toBe(403)
  }
})

test('S8: logs hold no message text, address or token', async () => {
  const text = JSON.stringify(logs)
  for (const secret of [
    'ponder this',
    'a late answer',
    ada.whatsappAddress,
    '15550001',
    'development-twilio-token',
  ]) {
    expect(text).not.toContain(secret)
  }
})
