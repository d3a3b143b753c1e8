import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

let system: System
let db: pg.Client
const limits = { RATE_LIMIT_PER_MINUTE: '1000', RATE_LIMIT_PER_DAY: '10000' }
beforeAll(async () => {
  system = await startTestSystem(limits)
  db = new pg.Client({ connectionString: system.databaseUrl })
  await db.connect()
  await system.startHost('fake')
  for (const person of system.people)
    await eventually(async () => expect(await system.heard(person)).toHaveLength(1))
}, 60_000)
afterAll(async () => {
  await db.end()
  await system.stop()
})

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 50 })
/** Says it again, now and then, until it had its effect: what was changed may not have reached the host yet. */
const saying = (person: Person, text: string, check: () => Promise<void>) =>
  vi.waitFor(
    async () => {
      await system.say(person, text)
      await vi.waitFor(check, { timeout: 2_000, interval: 100 })
    },
    { timeout: 20_000, interval: 100 },
  )
const people = (index: number): Person => {
  const person = system.people[index]
  if (!person) throw new Error('the sandbox has too few people')
  return person
}

interface Served {
  key: string
  body: unknown
  usage: { inputTokens: number; outputTokens: number } | null
}
const served = async () => (await system.sandbox('/sim/models/requests')) as Served[]
const get = async (person: Person, path: string) => (await system.api(person, 'GET', path)).json()
const left = async (person: Person) =>
  ((await get(person, '/credits')) as { remainingMicros: number }).remainingMicros

/** What the person's model is, and costs, in micro-dollars a token. */
async function modelOf(person: Person) {
  const { model } = (await get(person, '/assistants')) as { model: string }
  const { models } = (await get(person, '/models')) as {
    models: { id: string; price: { inputMicros: number; outputMicros: number } }[]
  }
  const price = models.find(({ id }) => id === model)?.price
  if (!price) throw new Error(`${model} has no price`)
  return { model, input: price.inputMicros / 1_000_000, output: price.outputMicros / 1_000_000 }
}

/** Leaves `micros` of somebody's credit, and has the hosts told. */
async function leave(person: Person, micros: number): Promise<void> {
  await db.query(
    `INSERT INTO credit_entries (user_id, amount_micros, reason, reference)
     SELECT $1::uuid, $2::bigint - sum(amount_micros), 'correction', gen_random_uuid()::text
     FROM credit_entries WHERE user_id = $1::uuid`,
    [person.userId, micros],
  )
  await db.query(`SELECT pg_notify('yourclaw', 'changes:')`)
}

test('B4: what a turn used is what the provider served, in usage and in the ledger', async () => {
  const person = people(0)
  const before = (await served()).length
  await system.sandbox('/sim/models/script', {
    match: 'count this',
    reply: 'counted',
    usage: { inputTokens: 12_345, outputTokens: 678 },
  })
  await system.say(person, 'count this')
  await eventually(async () => expect(await system.heard(person)).toContain('counted'))
  const [request] = (await served()).slice(before)
  expect(request?.usage).toEqual({ inputTokens: 12_345, outputTokens: 678 })
  const { model, input, output } = await modelOf(person)
  const costMicros = 12_345 * input + 678 * output
  await eventually(async () => {
    expect(await get(person, '/usage')).toMatchObject({
      days: [{ inputTokens: 12_345, outputTokens: 678, costMicros, ownKey: { inputTokens: 0 } }],
      models: [{ model, calls: 1, costMicros }],
    })
    expect(await left(person)).toBe(10_000_000 - costMicros)
  })
})

test('B5, M8: without credit a message is answered in our words, which the model never sees; with credit it goes on', async () => {
  const person = people(1)
  await leave(person, 5)
  const refused = 'Your credit is not enough for this message.'
  await saying(person, 'anybody there?', async () => {
    expect((await system.heard(person)).join()).toContain(refused)
  })
  const calls = (await served()).length
  expect(await left(person)).toBe(5)
  await leave(person, 1_000_000)
  await saying(person, 'and now?', async () => {
    expect((await system.heard(person)).join()).toContain('and now?')
  })
  const bodies = (await served()).slice(calls).map(({ body }) => JSON.stringify(body))
  expect(bodies.join()).not.toContain('credit')
})

test('S3, S8, B4: a key of one’s own is what its provider receives; it is shown, and costs no credit', async () => {
  const person = people(0)
  const key = 'sk-ant-canary-own'
  const stored = await system.api(person, 'POST', '/api-keys', { provider: 'ANTHROPIC', key })
  expect(stored.status).toBe(201)
  await saying(person, 'mine', async () => {
    expect((await served()).at(-1)).toMatchObject({ key })
  })
  await eventually(async () => {
    const { days } = (await get(person, '/usage')) as { days: { ownKey: { inputTokens: number } }[] }
    expect(days.at(-1)?.ownKey.inputTokens).toBeGreaterThan(0)
  })
  const { costMicros } =
    ((await get(person, '/usage')) as { days: { costMicros: number }[] }).days.at(-1) ?? {}
  expect(await left(person)).toBe(10_000_000 - (costMicros ?? 0))
  const removed = await system.api(person, 'DELETE', '/api-keys/ANTHROPIC')
  expect(await removed.json()).toEqual({ fallsBackTo: 'SHARED' })
  await saying(person, 'ours', async () => {
    expect((await served()).at(-1)).toMatchObject({ key: 'sk-ant-development' })
  })
})

test('S7: a key that turns bad is marked, the person is told once, and the shared key goes on', async () => {
  const person = people(1)
  const key = 'sk-that-turns-bad'
  expect((await system.api(person, 'POST', '/api-keys', { provider: 'ANTHROPIC', key })).status).toBe(201)
  await saying(person, 'is it used?', async () => expect((await served()).at(-1)).toMatchObject({ key }))
  await system.sandbox('/sim/faults', { provider: 'anthropic', status: 401, count: 1 })
  const told = async () =>
    (await system.heard(person)).filter((text) => text.includes('does not accept your key any more'))
  await saying(person, 'still good?', async () => {
    expect(await told()).toHaveLength(1)
  })
  const { keys } = (await get(person, '/api-keys')) as { keys: { invalidSince?: string }[] }
  expect(keys[0]?.invalidSince).toBeDefined()
  await saying(person, 'and the next', async () => {
    expect((await system.heard(person)).join()).toContain('and the next')
  })
  expect(await told()).toHaveLength(1)
})

test('B5: through restarts of the control plane every call is debited once, and the overshoot is at most one call', async () => {
  const person = people(0)
  const callMicros = 300_000
  const outputTokens = callMicros / (await modelOf(person)).output
  await system.sandbox('/sim/models/script', {
    match: 'dear',
    reply: 'a dear one',
    usage: { inputTokens: 0, outputTokens },
  })
  await leave(person, 5 * callMicros + 1)
  const before = (await served()).length
  for (let round = 0; round < 3; round += 1) {
    await system.say(person, `dear ${round} a`)
    await system.restart(limits)
    await system.say(person, `dear ${round} b`)
    await system.say(person, `dear ${round} c`)
  }
  await saying(person, 'dear again', async () => {
    expect((await system.heard(person)).join()).toContain('Your credit is')
  })
  await eventually(async () => {
    const calls = (await served()).slice(before).filter(({ usage }) => usage?.outputTokens === outputTokens)
    expect(calls.length).toBeGreaterThan(3)
    expect(await left(person)).toBe(5 * callMicros + 1 - calls.length * callMicros)
    expect(await left(person)).toBeGreaterThan(-callMicros)
  })
}, 90_000)

test('M11, F8: who waits for the shared key’s rate sees that it is worked on, and is answered; others’ tokens are theirs', async () => {
  const [busy, waits] = [people(0), people(1)]
  for (const person of [busy, waits]) await leave(person, 10_000_000)
  const perMinute = 6_000
  await system.restart({ ...limits, ANTHROPIC_TOKENS_PER_MINUTE: String(perMinute) })
  // A call that is stored: the host knows its rate by then.
  const calls = async () =>
    ((await get(waits, '/usage')) as { models: { calls: number }[] }).models[0]?.calls ?? 0
  const before = await calls()
  await saying(waits, 'warm up', async () => expect(await calls()).toBeGreaterThan(before))
  // The whole of a minute's tokens, and some more.
  const usage = { inputTokens: perMinute + 300, outputTokens: 1 }
  await system.sandbox('/sim/models/script', { match: 'much to read', reply: 'read it', usage })
  await system.say(busy, `much to read: ${'words and words '.repeat(1_500)}`)
  await eventually(async () => expect(await system.heard(busy)).toContain('read it'))

  const kinds = async () =>
    ((await system.sandbox(`/sim/telegram/${waits.telegramUserId}/messages`)) as { kind: string }[])
      .slice(seen)
      .map(({ kind }) => kind)
  let seen = 0
  seen = (await kinds()).length
  const asked = (await served()).length
  await system.say(waits, 'are you there?')
  await eventually(async () => expect(await kinds()).toContain('action'))
  expect((await served()).length).toBe(asked)
  expect(await kinds()).not.toContain('message')
  await vi.waitFor(async () => expect((await system.heard(waits)).join()).toContain('are you there?'), {
    timeout: 40_000,
    interval: 200,
  })
}, 90_000)
