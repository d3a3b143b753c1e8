import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '@yourclaw/control-plane/testing'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@yourclaw/db/embedded'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { Person } from '../people.ts'
import { type Processes, startProcesses } from './processes.ts'

/** Longer than a host's lease and than both sides' patience with a silent link. */
const outageMs = 40_000

const folder = mkdtempSync(path.join(tmpdir(), 'yourclaw-outages-'))
let cluster: { dataDir: string; port: number }
let postgres: EmbeddedPostgres
let system: Processes
let ada: Person

beforeAll(async () => {
  chmodSync(folder, 0o755)
  cluster = { dataDir: path.join(folder, 'postgres'), port: await freePort() }
  postgres = await startEmbeddedPostgres(cluster)
  system = await startProcesses({ databaseUrl: postgres.url, replicas: 2 })
  const [first] = system.people
  if (!first) throw new Error('the sandbox has no people')
  ada = first
  await eventually(async () =>
    expect(await system.heard(ada)).toContain('Your assistant is ready. Say hello!'),
  )
}, 120_000)
beforeEach(() => system.sandbox('/sim/models/script', { reply: 'unexpected' }))
afterAll(async () => {
  await system.stop()
  await postgres.stop()
  rmSync(folder, { recursive: true, force: true })
}, 120_000)

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 120_000, interval: 100 })
const modelCalls = async () => ((await system.sandbox('/sim/models/requests')) as unknown[]).length
/** A turn that asks the model and does not get its answer before three seconds are over. */
async function beginTurn(text: string): Promise<void> {
  await system.sandbox('/sim/models/script', { match: text, reply: `answer: ${text}`, delayMs: 3_000 })
  const before = await modelCalls()
  await system.say(ada, text)
  await eventually(async () => expect(await modelCalls()).toBe(before + 1))
}

/** One model call, one attempt, one stored answer, sent once; nothing was started again. */
async function expectAnsweredOnce(text: string, callsBefore: number): Promise<void> {
  await eventually(async () => expect(await system.heard(ada)).toContain(`answer: ${text}`))
  const [question] = await system.db.message.findMany({
    where: { body: text, direction: 'INBOUND' },
    select: { turn: { select: { state: true, attempts: true } } },
  })
  expect(question?.turn).toEqual({ state: 'DONE', attempts: 1 })
  expect(await system.db.message.count({ where: { body: `answer: ${text}` } })).toBe(1)
  expect((await system.heard(ada)).filter((said) => said === `answer: ${text}`)).toHaveLength(1)
  expect(await modelCalls()).toBe(callsBefore + 1)
  expect(system.agent.deaths()).toBe(0)
  const assistants = await system.db.assistant.findMany({
    select: { status: true, desiredGeneration: true, observedGeneration: true },
  })
  for (const assistant of assistants) {
    expect(assistant).toEqual({ status: 'READY', desiredGeneration: 1, observedGeneration: 1 })
  }
}

test('M1, M15, F3: the link is cut for a minute in a turn', async () => {
  const calls = await modelCalls()
  await beginTurn('over the cut')
  system.wire.cut()
  await delay(60_000)
  system.wire.mend()
  await expectAnsweredOnce('over the cut', calls)
}, 360_000)

test('M1, M15, F3: the link is half-open in a turn', async () => {
  const calls = await modelCalls()
  await beginTurn('half open')
  system.wire.freeze()
  await delay(outageMs)
  system.wire.mend()
  await expectAnsweredOnce('half open', calls)
}, 360_000)

test('M1, M15: the agent is frozen for longer than its session in a turn, and woken', async () => {
  const calls = await modelCalls()
  await beginTurn('frozen host')
  system.agent.kill('SIGSTOP')
  await delay(outageMs)
  system.agent.kill('SIGCONT')
  await expectAnsweredOnce('frozen host', calls)
}, 360_000)

test('M1, M15: a replica is frozen in a turn; the other takes over, and the woken one writes nothing', async () => {
  const calls = await modelCalls()
  await beginTurn('frozen replica')
  const [first, second] = system.replicas
  const frozen = system.front.replica
  const [holder] = frozen === 0 ? [first, second] : [second, first]
  holder?.kill('SIGSTOP')
  system.front.replica = 1 - frozen
  await eventually(async () => expect(await system.heard(ada)).toContain('answer: frozen replica'))
  const before = await system.db.hostSession.findFirstOrThrow()
  holder?.kill('SIGCONT')
  await expectAnsweredOnce('frozen replica', calls)
  // The one that was frozen is back at work, and the session is still the other's.
  system.front.replica = frozen
  await beginTurn('through the woken one')
  await expectAnsweredOnce('through the woken one', calls + 1)
  const after = await system.db.hostSession.findFirstOrThrow()
  expect([after.replica, after.epoch]).toEqual([before.replica, before.epoch])
}, 360_000)

test('M1, M15: PostgreSQL is restarted in a turn, and a message that came meanwhile is answered', async () => {
  const calls = await modelCalls()
  await beginTurn('without a database')
  await postgres.stop()
  await system.sandbox('/sim/models/script', { match: 'meanwhile', reply: 'answer: meanwhile' })
  await system.say(ada, 'meanwhile')
  await delay(5_000)
  postgres = await startEmbeddedPostgres(cluster)
  await eventually(async () => expect(await system.heard(ada)).toContain('answer: meanwhile'))
  // One call is for the message that came meanwhile.
  await expectAnsweredOnce('without a database', calls + 1)
}, 360_000)
