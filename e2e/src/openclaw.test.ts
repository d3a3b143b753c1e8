import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

let system: System
let ada: Person

// The first run installs the pinned OpenClaw; later ones find it.
beforeAll(async () => {
  system = await startTestSystem()
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

async function lastModelRequest(): Promise<string> {
  const requests = (await system.sandbox('/sim/models/requests')) as unknown[]
  return JSON.stringify(requests.at(-1))
}
