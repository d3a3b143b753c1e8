import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from '../people.ts'
import { type Random, seededRandom } from '../random.ts'
import { type Processes, startProcesses } from './processes.ts'

const seed = Number(process.env.SEED ?? 20_261_123)
const people = 20
const messagesEach = 25
const killsEach = 10

let database: TestDatabase
let system: Processes

beforeAll(async () => {
  database = await createTestDatabase()
  system = await startProcesses({ databaseUrl: database.url, people })
  await eventually(async () =>
    expect(await system.db.assistant.count({ where: { status: 'READY' } })).toBe(people),
  )
}, 180_000)
afterAll(async () => {
  await system.stop()
  await database.close()
}, 120_000)

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 170_000, interval: 500 })

/** What happens, in order: messages of everybody, mixed, with kills among them. */
function plan(random: Random) {
  const queues = system.people.map((person, index) => ({ person, index, next: 1 }))
  const events: (
    | { kind: 'message'; person: Person; text: string; channel: 'telegram' | 'whatsapp' }
    | { kind: 'kill'; what: 'control plane' | 'agent' | 'gateway' }
  )[] = []
  while (queues.some(({ next }) => next <= messagesEach)) {
    const open = queues.filter(({ next }) => next <= messagesEach)
    const queue = random.pick(open)
    const text = `p${queue.index} m${queue.next}`
    queue.next += 1
    events.push({
      kind: 'message',
      person: queue.person,
      text,
      channel: random.pick(['telegram', 'whatsapp']),
    })
  }
  const kills = (['control plane', 'agent', 'gateway'] as const).flatMap((what) =>
    Array.from({ length: killsEach }, () => what),
  )
  for (const what of kills)
    events.splice(Math.floor(random.between(0, events.length)), 0, { kind: 'kill', what })
  return events
}

test(`M1, M4, M6, M12, M15: ${people * messagesEach} messages through ${killsEach} kills each of control plane, agent and gateway (SEED=${seed})`, async () => {
  // Turns that take a while are there to be cut off.
  await system.sandbox('/sim/faults', { provider: 'anthropic', delayMs: 300 })
  const random = seededRandom(seed)
  for (const event of plan(random)) {
    if (event.kind === 'message') {
      if (event.channel === 'telegram') await system.say(event.person, event.text)
      else await system.sayOnWhatsapp(event.person, event.text)
    } else if (event.what === 'gateway') system.killGateway()
    else await (event.what === 'agent' ? system.agent : system.replica()).killAndWait()
    await new Promise((resolve) => setTimeout(resolve, random.between(0, 300)))
  }
  await eventually(async () => {
    await system.repeatUndelivered()
    const { db } = system
    const [inbound, open, unsent] = await Promise.all([
      db.message.count({ where: { direction: 'INBOUND', state: { not: 'RECEIVED' } } }),
      db.turn.count({ where: { state: { in: ['PENDING', 'RUNNING'] } } }),
      db.message.count({ where: { direction: 'OUTBOUND', state: 'PENDING' } }),
    ])
    expect({ inbound, open, unsent }).toEqual({ inbound: people * messagesEach, open: 0, unsent: 0 })
  })

  // 0 lost, order kept: what was answered is what was asked, line by line.
  let duplicates = 0
  for (const person of system.people) {
    const messages = await system.db.message.findMany({
      where: { userId: person.userId, kind: 'CHAT' },
      orderBy: { seq: 'asc' },
      select: { direction: true, body: true, state: true },
    })
    const asked = messages.filter(({ direction }) => direction === 'INBOUND')
    const answered = messages.filter(({ direction }) => direction === 'OUTBOUND')
    expect(asked.map(({ state }) => state)).toEqual(asked.map(() => 'ANSWERED'))
    expect(answered.flatMap(({ body }) => body.split('\n'))).toEqual(asked.map(({ body }) => body))
    expect(new Set(asked.map(({ body }) => body)).size).toBe(messagesEach)

    // Every stored answer reached the phone, in order on its channel; a repeat follows its first.
    const heard = [...(await system.heard(person)), ...(await system.heardOnWhatsapp(person))]
    for (const { body } of answered) expect(heard).toContain(body)
    duplicates += heard.filter((text, index) => heard.indexOf(text) !== index && /^p\d+ m/.test(text)).length
  }
  const turns = await system.db.turn.findMany({ where: { state: 'DONE' }, select: { attempts: true } })
  const furtherAttempts = turns.reduce((sum, { attempts }) => sum + attempts - 1, 0)
  const deaths = { controlPlane: system.replica().deaths(), agent: system.agent.deaths() }
  console.log('seeded run', { seed, turns: turns.length, furtherAttempts, duplicates, deaths })

  expect(system.gatewayKillsLeft()).toBe(0)
  expect(deaths).toEqual({ controlPlane: killsEach, agent: killsEach })
  // Only a death of the agent or a gateway ends an attempt, and each ends at most what ran there.
  expect(furtherAttempts).toBeLessThanOrEqual(killsEach * people + killsEach)
  // Only a death of the control plane between a provider's yes and our note says something twice: what was on its way.
  expect(duplicates).toBeLessThanOrEqual(killsEach * people)
}, 600_000)
