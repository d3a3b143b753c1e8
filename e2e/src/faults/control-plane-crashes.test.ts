import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from '../people.ts'
import { type CrashPoint, type Processes, startProcesses, steps } from './processes.ts'

let database: TestDatabase
let system: Processes
let ada: Person

beforeAll(async () => {
  database = await createTestDatabase()
  system = await startProcesses({ databaseUrl: database.url })
  const [first] = system.people
  if (!first) throw new Error('the sandbox has no people')
  ada = first
  await eventually(async () =>
    expect(await system.heard(ada)).toContain('Your assistant is ready. Say hello!'),
  )
})
afterAll(async () => {
  await system.stop()
  await database.close()
})

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 120_000, interval: 50 })

const points = steps.flatMap((step): CrashPoint[] => [`${step}:before`, `${step}:after`])

test.each(points)(
  'M1, M6, M15: killed at %s, the message is answered once, in one attempt',
  async (point) => {
    const text = `at ${point}`
    const deaths = system.replicas[0]?.deaths() ?? 0
    if (point.startsWith('claimTurns')) await sayDuringTurn(text)
    system.crashAt(point)
    if (!point.startsWith('claimTurns')) await system.say(ada, text)
    await eventually(async () => expect(await system.heard(ada)).toContain(text))
    await eventually(async () => expect(system.replicas[0]?.deaths()).toBe(deaths + 1))

    // The next message is answered after whatever else is still to come of this one.
    await system.say(ada, `then ${point}`)
    await eventually(async () => expect(await system.heard(ada)).toContain(`then ${point}`))
    const { body, turn } = await system.db.message.findFirstOrThrow({
      where: { body: text, direction: 'OUTBOUND' },
      include: { turn: true },
    })
    expect(await system.db.message.count({ where: { body, direction: 'OUTBOUND' } })).toBe(1)
    expect([turn?.state, turn?.attempts]).toEqual(['DONE', 1])
    // M12: the provider took it and we died before we could note it. That is the only way to say it twice.
    const sent = (await system.heard(ada)).filter((said) => said === text)
    expect(sent).toHaveLength(point === 'send:after' ? 2 : 1)
  },
  300_000,
)

/**
 * The transaction that stores a message claims its turn when it can; what waits for a turn before it is claimed in a
 * step of its own, when that one is over.
 */
async function sayDuringTurn(text: string): Promise<void> {
  const first = `before ${text}`
  await system.sandbox('/sim/models/script', { match: first, reply: 'A while later.', delayMs: 2_000 })
  await system.say(ada, first)
  await eventually(async () =>
    expect(JSON.stringify(await system.sandbox('/sim/models/requests'))).toContain(first),
  )
  await system.say(ada, text)
  await eventually(async () => expect(await system.db.message.count({ where: { body: text } })).toBe(1))
}
