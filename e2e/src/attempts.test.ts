import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

const eventually = (check: () => Promise<void>, timeout = 120_000) =>
  vi.waitFor(check, { timeout, interval: 50 })

/** A system with one bound person, and what its logs and its sandbox tell of the attempts of a turn. */
async function start() {
  const logs: Record<string, unknown>[] = []
  const system = await startTestSystem({}, logs)
  onTestFinished(() => system.stop(), 60_000)
  const [ada] = system.people
  if (!ada) throw new Error('the sandbox has no people')
  /** What the model was asked with this text in it. */
  const asked = async (text: string) => {
    const requests = (await system.sandbox('/sim/models/requests')) as { body: unknown }[]
    return requests.map(({ body }) => JSON.stringify(body)).filter((body) => body.includes(text))
  }
  /** The attempts the control plane saw, in order, of the turn that came last. */
  const attempts = () => {
    const attached = logs.filter(({ msg }) => msg === 'turn attached')
    const { turnId } = attached.at(-1) ?? {}
    return [...new Set(attached.filter((line) => line.turnId === turnId).map(({ attempt }) => attempt))]
  }
  return { system, ada, asked, attempts, logs }
}

/** A turn whose first attempt ends while its model is slow, and whose second is answered. */
async function interrupt(
  { system, ada, asked, attempts }: Awaited<ReturnType<typeof start>>,
  end: () => unknown,
  revive: () => void = () => {},
): Promise<void> {
  await system.sandbox('/sim/models/script', slow)
  await system.say(ada, 'the question')
  await eventually(async () => expect(await asked('the question')).toHaveLength(1))
  await end()
  await system.sandbox('/sim/models/script', prompt)
  revive()
  await eventually(async () => expect(await system.heard(ada)).toContain('The answer.'))
  expect(attempts()).toEqual([1, 2])
}

async function isReady(system: System, person: Person) {
  const { status } = (await (await system.api(person, 'GET', '/assistants')).json()) as { status: string }
  expect(status).toBe('READY')
}

/** What the person and the assistant said, ours excluded, oldest first. */
async function said(system: System, person: Person) {
  const { messages } = (await (await system.api(person, 'GET', '/messages?limit=50')).json()) as {
    messages: { direction: string; body: string }[]
  }
  return messages.map(({ direction, body }) => `${direction} ${body}`).reverse()
}

/** The process of the one gateway below a data folder. */
function gatewayPid(dataDir: string): number {
  const [name = ''] = readdirSync(path.join(dataDir, '.run'))
  return (JSON.parse(readFileSync(path.join(dataDir, '.run', name), 'utf8')) as { pid: number }).pid
}

const slow = { match: 'the question', reply: 'too late', delayMs: 60_000 }
const prompt = { match: 'the question', reply: 'The answer.' }

test('M15: a gateway that crashes before it keeps the messages gets them again', async () => {
  await crashOnce('crash')
})

test('M15: a gateway that crashes in a run resumes it, and the next attempt adopts that answer', async () => {
  const resumed = await crashOnce('crashInRun')
  // Nobody called the gateway for it: the conversation had it when the attempt looked.
  expect(resumed).toBe('answered')
})

/** A turn whose gateway crashes in its first attempt; returns what the second one found. */
async function crashOnce(fault: 'crash' | 'crashInRun') {
  const { system, ada, asked, attempts, logs } = await start()
  let isArmed = true
  const once = () => {
    const armed = isArmed
    isArmed = false
    return armed
  }
  await system.startHost('fake', { faults: Object.defineProperty({}, fault, { get: once }) })
  await eventually(() => isReady(system, ada))
  await system.sandbox('/sim/models/script', prompt)
  await system.say(ada, 'the question')
  await eventually(async () => expect(await system.heard(ada)).toContain('The answer.'))
  // Both crashes come before the model is asked.
  expect(await asked('the question')).toHaveLength(1)
  expect(attempts()).toEqual([1, 2])
  await expectOneExchange(system, ada, asked)
  return logs.find(({ msg }) => msg === 'conversation read')?.found
}

test('M15 and F9: kill -9 of the agent and all it runs: one answer, the messages once in the conversation', async () => {
  const scene = await start()
  const { system, ada, asked } = scene
  const host = await system.spawnHost('fake')
  await eventually(() => isReady(system, ada))
  await interrupt(scene, host.kill, host.start)
  expect(await asked('the question')).toHaveLength(2)
  await expectOneExchange(system, ada, asked)
})

test('M15: kill -9 of a real OpenClaw in a turn: its resumed answer is the one answer', async () => {
  const scene = await start()
  const { system, ada, asked } = scene
  const { dataDir } = await system.spawnHost('process')
  await eventually(() => isReady(system, ada), 300_000)
  await interrupt(scene, () => process.kill(gatewayPid(dataDir), 'SIGKILL'))
  // Once by the run that was killed, once by the one that OpenClaw resumed; never by a second sending.
  const [, resumed, ...more] = await asked('the question')
  expect(resumed).toContain('interrupted by a gateway restart')
  expect(more).toEqual([])
  await expectOneExchange(system, ada, asked)

  // A run that its model failed keeps the messages: the next attempt does not send them again.
  await system.sandbox('/sim/models/script', { match: 'hard one', error: 429 })
  await system.say(ada, 'a hard one')
  // The model gateway asks again before it gives a busy provider up.
  await eventually(async () => expect((await asked('hard one')).length).toBeGreaterThanOrEqual(3))
  await system.sandbox('/sim/models/script', { reply: 'Solved.' })
  await eventually(async () => expect(await system.heard(ada)).toContain('Solved.'))
  expect((await asked('hard one')).at(-1)?.match(/a hard one/g)).toHaveLength(1)
}, 480_000)

test('M15 and F9: kill -9 of the agent in a turn: the next one adopts the gateway, and there is one answer', async () => {
  const scene = await start()
  const { system, ada, asked } = scene
  const host = await system.spawnHost('process')
  await eventually(() => isReady(system, ada), 300_000)
  const pid = gatewayPid(host.dataDir)
  await interrupt(scene, host.kill, host.start)
  expect(gatewayPid(host.dataDir)).toBe(pid)
  expect(await asked('the question')).toHaveLength(2)
  await expectOneExchange(system, ada, asked)
}, 480_000)

/** What is stored is one question and one answer, and so is what the model is shown from then on. */
async function expectOneExchange(
  system: System,
  person: Person,
  asked: (text: string) => Promise<string[]>,
): Promise<void> {
  await system.sandbox('/sim/models/script', { match: 'and then', reply: 'Then this.' })
  await system.say(person, 'and then?')
  await eventually(async () => expect(await system.heard(person)).toContain('Then this.'))
  const [request = ''] = await asked('and then?')
  expect(request.match(/the question/g)).toHaveLength(1)
  expect(request.match(/The answer\./g)).toHaveLength(1)
  const chat = (await said(system, person)).filter((line) => !line.includes('Your assistant'))
  expect(chat).toEqual([
    'INBOUND the question',
    'OUTBOUND The answer.',
    'INBOUND and then?',
    'OUTBOUND Then this.',
  ])
}
