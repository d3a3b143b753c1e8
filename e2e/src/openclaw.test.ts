import { appendFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { samplePhoto } from '../../sandbox/src/samples.ts'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

let system: System
let ada: Person

// The first run installs the pinned OpenClaw; later ones find it.
beforeAll(async () => {
  system = await startTestSystem({ RATE_LIMIT_PER_MINUTE: '1000' })
  const [first] = system.people
  if (!first) throw new Error('the sandbox has no people')
  ada = first
  await system.startHost('process')
  await eventually(async () =>
    expect(await system.heard(ada)).toContain('Your assistant is ready. Say hello!'),
  )
}, 480_000)
afterAll(() => system.stop(), 60_000)

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 120_000, interval: 200 })

test('M13: the real OpenClaw answers over Telegram, remembers, and goes on after a model change', async () => {
  await system.sandbox('/sim/models/script', { match: 'favourite colour', reply: 'Noted: **teal**.' })
  await system.say(ada, 'My favourite colour is teal.')
  await eventually(async () => expect(await system.heard(ada)).toContain('Noted: <b>teal</b>.'))

  await system.sandbox('/sim/models/script', { match: 'which one', reply: 'You said teal.' })
  await system.say(ada, 'Which one was it?')
  await eventually(async () => expect(await system.heard(ada)).toContain('You said teal.'))
  expect(await lastModelRequest()).toContain('My favourite colour is teal.')

  const changed = await system.api(ada, 'PATCH', '/assistants', { model: 'openai/gpt-4o' })
  expect(changed.status).toBeLessThan(300)
  await system.sandbox('/sim/models/script', { match: 'once more', reply: 'Still teal.' })
  await eventually(async () => {
    const { job } = (await (await system.api(ada, 'GET', '/assistants')).json()) as {
      job: { status: string }
    }
    expect(job.status).toBe('COMPLETED')
  })
  await system.say(ada, 'Once more, please?')
  await eventually(async () => expect(await system.heard(ada)).toContain('Still teal.'))
  const last = await lastModelRequest()
  expect(last).toContain('gpt-4o')
  expect(last).toContain('My favourite colour is teal.')
}, 480_000)

test('M11: a stop reaches OpenClaw, what is there of the answer is kept, and the next message is answered', async () => {
  const stream = { chunkDelayMs: 100 }
  await system.sandbox('/sim/models/script', {
    match: 'long story',
    reply: 'Once upon a time '.repeat(100),
    stream,
  })
  const drafts = async () => {
    const seen = await system.sandbox(`/sim/telegram/${ada.telegramUserId}/messages`)
    return (seen as { kind: string; text: string }[]).filter(
      ({ kind, text }) => kind === 'draft' && text !== '',
    )
  }
  await system.say(ada, 'Tell me a long story.')
  await eventually(async () => expect((await drafts()).at(-1)?.text).toMatch(/^Once/))
  await system.say(ada, '/stop')
  const stopped = /^Once[\s\S]*⏹ <i>Stopped\.<\/i>$/
  await eventually(async () => expect((await system.heard(ada)).at(-1)).toMatch(stopped))
  await system.sandbox('/sim/models/script', { match: 'shorter', reply: 'A short one.' })
  await system.say(ada, 'A shorter one, please.')
  await eventually(async () => expect((await system.heard(ada)).at(-1)).toBe('A short one.'))
}, 240_000)

test('M13: /new begins a fresh conversation for the model, which still has the assistant’s memory', async () => {
  const workspace = path.join(system.hostsDir, 'host-1', 'data', ada.userId, 'workspace')
  await appendFile(path.join(workspace, 'MEMORY.md'), '\n- The cat is called Miez.\n')
  await system.say(ada, '/new')
  await eventually(async () => expect((await system.heard(ada)).at(-1)).toMatch(/fresh conversation/))
  await system.sandbox('/sim/models/script', { match: 'good morning', reply: 'Good morning!' })
  await system.say(ada, 'Good morning')
  await eventually(async () => expect((await system.heard(ada)).at(-1)).toBe('Good morning!'))
  const first = await lastModelRequest()
  expect(first).toContain('The cat is called Miez.')
  expect(first).not.toContain('favourite colour')
  await system.sandbox('/sim/models/script', { match: 'what did i say', reply: 'Good morning.' })
  await system.say(ada, 'What did I say?')
  await eventually(async () => expect((await system.heard(ada)).at(-1)).toBe('Good morning.'))
  expect(await lastModelRequest()).toContain('Good morning!')
}, 240_000)

test('M9: OpenClaw shows a picture to its model, and its tool reads a document', async () => {
  const send = (message: object) => system.sandbox(`/sim/telegram/${ada.telegramUserId}/messages`, message)
  await system.sandbox('/sim/models/script', { match: 'what is on it', reply: 'A colour.' })
  await send({ photo: true, caption: 'What is on it?' })
  await eventually(async () => expect((await system.heard(ada)).at(-1)).toBe('A colour.'))
  expect(await lastModelRequest()).toContain(samplePhoto().toString('base64'))

  await system.sandbox('/sim/models/script', { match: 'here is the list', reply: 'Thanks.' })
  const base64 = Buffer.from('milk, eggs and 17 lemons').toString('base64')
  await send({ document: { name: 'list.txt', base64 }, caption: 'Here is the list.' })
  await eventually(async () => expect((await system.heard(ada)).at(-1)).toBe('Thanks.'))
  const [file] = /inbox\/[\w.-]+-list\.txt/.exec(await lastModelRequest()) ?? []
  await system.sandbox('/sim/models/script', {
    match: 'how many lemons',
    toolCalls: [{ name: 'read', arguments: { path: file } }],
    reply: 'Seventeen.',
    times: 2,
  })
  await system.say(ada, 'How many lemons?')
  await eventually(async () => expect((await system.heard(ada)).at(-1)).toBe('Seventeen.'))
  expect(await lastModelRequest()).toContain('17 lemons')
}, 240_000)

async function lastModelRequest(): Promise<string> {
  const requests = (await system.sandbox('/sim/models/requests')) as unknown[]
  return JSON.stringify(requests.at(-1))
}
