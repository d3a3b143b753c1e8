import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

let system: System
let ada: Person
let ben: Person
const logs: Record<string, unknown>[] = []

beforeAll(async () => {
  system = await startTestSystem({ RATE_LIMIT_PER_MINUTE: '1000', RATE_LIMIT_PER_DAY: '10000' }, logs)
  const [first, second] = system.people
  if (!first || !second) throw new Error('the sandbox has no people')
  ada = first
  ben = second
}, 60_000)
afterAll(() => system.stop(), 30_000)

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 50 })
const status = async (person: Person) =>
  ((await (await system.api(person, 'GET', '/assistants')).json()) as { status: string }).status

/** What was said since, without our own notices. */
async function answers(person: Person, since: number): Promise<string[]> {
  return (await system.heard(person)).slice(since)
}

test('M5: a message that arrives during provisioning waits and is answered once a host is there', async () => {
  expect(await status(ada)).toBe('PROVISIONING')
  await system.say(ada, 'are you there?')
  await system.startHost()
  await eventually(async () => expect(await system.heard(ada)).toContain('are you there?'))
  expect(await status(ada)).toBe('READY')
  await eventually(async () =>
    expect(await system.heard(ben)).toEqual(['Your assistant is ready. Say hello!']),
  )
})

test('the scripted model answers through gateway, host and control plane, formatted for the phone', async () => {
  await system.sandbox('/sim/models/script', { match: 'weather', reply: 'It is **sunny**.' })
  await system.say(ada, 'How is the weather?')
  await eventually(async () => expect(await system.heard(ada)).toContain('It is <b>sunny</b>.'))
})

test('S3: the provider gets the platform key from the host; the assistant only knows a virtual one', async () => {
  const requests = (await system.sandbox('/sim/models/requests')) as { key: string }[]
  expect(new Set(requests.map(({ key }) => key))).toEqual(new Set(['sk-ant-development']))
  const files = readdirSync(system.hostsDir, { recursive: true, withFileTypes: true })
  const kept = files.filter((file) => file.isFile()).map((file) => path.join(file.parentPath, file.name))
  expect(kept.length).toBeGreaterThan(0)
  for (const file of kept) expect([file, readFileSync(file).includes('sk-ant-')]).toEqual([file, false])
})

test('M2: one update delivered 20 times at once is answered once', async () => {
  const before = (await system.heard(ben)).length
  const update = {
    update_id: 900_001,
    message: { message_id: 1, date: 0, chat: { id: ben.telegramUserId, type: 'private' }, text: 'only once' },
  }
  const deliver = () =>
    fetch(`${system.apiUrl}/api/v1/webhooks/telegram`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-telegram-bot-api-secret-token': 'development-secret',
      },
      body: JSON.stringify(update),
    })
  const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await deliver()).status))
  expect(new Set(statuses)).toEqual(new Set([200]))
  await system.say(ben, 'and then this')
  await eventually(async () => expect((await answers(ben, before)).join('\n')).toContain('and then this'))
  expect((await answers(ben, before)).join('\n').match(/only once/g)).toHaveLength(1)
})

test('M4: three messages during a turn become one further turn, in order', async () => {
  await system.sandbox('/sim/models/script', { match: 'slow', reply: 'slow answer', delayMs: 1500 })
  const before = (await system.heard(ada)).length
  await system.say(ada, 'slow please')
  await eventually(async () => {
    const requests = (await system.sandbox('/sim/models/requests')) as { body: unknown }[]
    expect(JSON.stringify(requests.at(-1))).toContain('slow please')
  })
  for (const text of ['one', 'two', 'three']) await system.say(ada, text)
  await eventually(async () => expect(await answers(ada, before)).toEqual(['slow answer', 'one\ntwo\nthree']))
})

test('O1: one trace id runs from the webhook over the host to the sent reply', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const update = {
    update_id: 900_002,
    message: { message_id: 2, date: 0, chat: { id: ada.telegramUserId, type: 'private' }, text: 'trace me' },
  }
  await fetch(`${system.apiUrl}/api/v1/webhooks/telegram`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-telegram-bot-api-secret-token': 'development-secret',
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
    },
    body: JSON.stringify(update),
  })
  await eventually(async () => {
    const steps = logs.filter((line) => line.traceId === traceId).map(({ msg }) => msg)
    for (const step of ['request', 'turn taken', 'turn attached', 'turn left', 'message sent'])
      expect(steps).toContain(step)
  })
})

test('the web is one more channel of the same conversation, and a retried message is one message', async () => {
  const send = () =>
    fetch(`${system.apiUrl}/api/v1/messages`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${ada.bearer}`,
        'content-type': 'application/json',
        'idempotency-key': 'k1',
      },
      body: JSON.stringify({ text: 'from the web' }),
    })
  const [first, second] = [await send(), await send()]
  expect([first.status, second.status]).toEqual([202, 202])
  expect(await first.json()).toEqual(await second.json())
  await eventually(async () => {
    const { messages } = (await (await system.api(ada, 'GET', '/messages?limit=2')).json()) as {
      messages: { body: string; channel: string; direction: string }[]
    }
    expect(messages).toMatchObject([
      { direction: 'OUTBOUND', channel: 'WEB', body: 'from the web' },
      { direction: 'INBOUND', channel: 'WEB', body: 'from the web' },
    ])
  })
  expect(await system.heard(ada)).not.toContain('from the web')
})

test('M11: a running turn shows typing while the model is silent, until it is stopped; the next message is answered', async () => {
  await system.sandbox('/sim/models/script', { match: 'forever', reply: 'too late', delayMs: 60_000 })
  const typed = async () => {
    const events = await system.sandbox(`/sim/telegram/${ada.telegramUserId}/messages`)
    return (events as { kind: string }[]).filter(({ kind }) => kind === 'action').length
  }
  const before = await typed()
  await system.say(ada, 'take forever')
  await eventually(async () => expect(await typed()).toBeGreaterThan(before + 1))
  await eventually(async () => {
    const stopped = await system.api(ada, 'POST', '/messages/stop')
    expect(await stopped.json()).toEqual({ stopping: true })
  })
  await system.say(ada, 'and now?')
  await eventually(async () => expect((await system.heard(ada)).at(-1)).toBe('and now?'))
  expect(await system.heard(ada)).not.toContain('too late')
  expect(await (await system.api(ada, 'POST', '/messages/stop')).json()).toEqual({ stopping: false })
})

test('M13: the conversation goes on after a model change', async () => {
  await system.say(ben, 'remember the number 4711')
  await eventually(async () => expect((await system.heard(ben)).join()).toContain('4711'))
  const changed = await system.api(ben, 'PATCH', '/assistants', { model: 'openai/gpt-4o' })
  expect(changed.status).toBeLessThan(300)
  await eventually(async () => expect(await status(ben)).toBe('READY'))
  await system.say(ben, 'what was it?')
  await eventually(async () => {
    const requests = (await system.sandbox('/sim/models/requests')) as { model: string }[]
    const last = requests.at(-1)
    expect(last?.model).toBe('gpt-4o')
    expect(JSON.stringify(last)).toContain('4711')
    expect((await system.heard(ben)).at(-1)).toBe('what was it?')
  })
})

test('F4: a deletion ends with status NONE, and a message then is told so', async () => {
  expect((await system.api(ben, 'DELETE', '/assistants')).status).toBeLessThan(300)
  await eventually(async () => expect(await status(ben)).toBe('NONE'))
  await system.say(ben, 'hello?')
  await eventually(async () => expect((await system.heard(ben)).at(-1)).toMatch(/no assistant at the moment/))
})

test('I4: a webhook without the secret or with a wrong one is refused', async () => {
  const send = (headers: Record<string, string>) =>
    fetch(`${system.apiUrl}/api/v1/webhooks/telegram`, { method: 'POST', headers, body: '{}' })
  expect((await send({})).status).toBe(401)
  expect((await send({ 'x-telegram-bot-api-secret-token': 'wrong' })).status).toBe(403)
})

test('M10: a stranger gets one helpful answer', async () => {
  const email = 'stranger@example.com'
  const stranger = { userId: '', email, telegramUserId: 5_000_001, whatsappAddress: '', bearer: '' }
  await system.sandbox('/sim/people', { name: 'Stranger', email, telegramUserId: 5_000_001 })
  // The last is answered whatever came before, and after it: so nothing else is still on its way.
  for (const text of ['hi', 'anyone?', 'hello', '/start nothing']) await system.say(stranger, text)
  await eventually(async () =>
    expect(await system.heard(stranger)).toEqual([
      expect.stringMatching(/don't know this chat yet/),
      expect.stringMatching(/link has expired/),
    ]),
  )
})

// Last, so that it has everything above to look at.
test('S8: logs hold no message text, address, token, key or provider’s words', async () => {
  await system.sandbox('/sim/models/script', {
    match: 'go wrong',
    error: { status: 400, message: 'no: “please go wrong”' },
  })
  await system.say(ada, 'please go wrong')
  await eventually(async () =>
    expect((await system.heard(ada)).at(-1)).toMatch(/could not answer this message/),
  )
  const text = JSON.stringify(logs)
  const secrets = [
    'trace me',
    'only once',
    'go wrong',
    'development-secret',
    'sk-ant-development',
    ada.bearer,
  ]
  for (const secret of [...secrets, 'example.com', '5000001']) expect(text).not.toContain(secret)
})
