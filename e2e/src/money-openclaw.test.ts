import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

let system: System
let db: pg.Client
let ada: Person
const logs: Record<string, unknown>[] = []
const canaries = {
  ANTHROPIC_API_KEY: 'canary-shared-anthropic-7f3a',
  OPENAI_API_KEY: 'canary-shared-openai-7f3a',
  GOOGLE_API_KEY: 'canary-shared-google-7f3a',
}
const ownCanary = 'canary-own-openai-7f3a'

// The first run installs the pinned OpenClaw; later ones find it.
beforeAll(async () => {
  system = await startTestSystem({ ...canaries, RATE_LIMIT_PER_MINUTE: '1000' }, logs)
  db = new pg.Client({ connectionString: system.databaseUrl })
  await db.connect()
  const [first] = system.people
  if (!first) throw new Error('the sandbox has no people')
  ada = first
  await system.startHost('process')
  await eventually(async () => expect(await system.heard(ada)).toHaveLength(1))
}, 480_000)
afterAll(async () => {
  await db.end()
  await system.stop()
}, 60_000)

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 120_000, interval: 200 })

interface Served {
  provider: string
  model: string
  key: string
  body: unknown
  usage: { inputTokens: number; outputTokens: number } | null
}
async function use(model: string): Promise<void> {
  await system.api(ada, 'PATCH', '/assistants', { model })
  await settled()
}
/** The last change is in effect. */
const settled = () =>
  eventually(async () => {
    const answer = (await (await system.api(ada, 'GET', '/assistants')).json()) as { job: { status: string } }
    expect(answer.job.status).toBe('COMPLETED')
  })
const served = async () => (await system.sandbox('/sim/models/requests')) as Served[]

/** Those that stay on offer. */
const models = [
  ['anthropic/claude-haiku-4-5-20251001', canaries.ANTHROPIC_API_KEY],
  ['openai/gpt-6-luna', canaries.OPENAI_API_KEY],
  ['google/gemini-3.5-flash', canaries.GOOGLE_API_KEY],
] as const

test('S3, B4: with each provider the real OpenClaw streams, calls a tool, and is charged what was served', async () => {
  for (const [model, key] of models) {
    const [, name = ''] = model.split('/')
    await use(model)
    const asks = `list the files with ${name}`
    const toolCalls = [{ name: 'exec', arguments: { command: 'echo tool-was-run' } }]
    await system.sandbox('/sim/models/script', { match: asks, reply: `Done with ${name}.`, toolCalls })
    await system.say(ada, asks)
    await eventually(async () => expect((await system.heard(ada)).join()).toContain(`Done with ${name}.`))
    const requests = (await served()).filter((request) => request.model === name)
    expect(requests.length).toBeGreaterThanOrEqual(2)
    expect(new Set(requests.map((request) => request.key))).toEqual(new Set([key]))
    expect(JSON.stringify(requests.at(-1)?.body)).toContain('tool-was-run')
    const sum = (field: 'inputTokens' | 'outputTokens') =>
      requests.reduce((total, { usage }) => total + (usage?.[field] ?? 0), 0)
    await eventually(async () => {
      const { rows } = await db.query(
        'SELECT sum(calls)::int AS calls, sum(input_tokens)::int AS input, sum(output_tokens)::int AS output FROM usage_events WHERE model = $1 AND NOT estimated AND user_id = $2',
        [name, ada.userId],
      )
      expect(rows).toEqual([
        { calls: requests.length, input: sum('inputTokens'), output: sum('outputTokens') },
      ])
    })
  }
}, 480_000)

test('B5, M8: credit that ends in the middle of a turn ends the turn in words, at once, and comes back at once', async () => {
  await use(models[0][0])
  const dear = { inputTokens: 1_000, outputTokens: 3_000_000 }
  const toolCalls = [{ name: 'exec', arguments: { command: 'echo dear' } }]
  await system.sandbox('/sim/models/script', {
    match: 'spend it all',
    reply: 'spent',
    toolCalls,
    usage: dear,
  })
  const before = (await served()).length
  await system.say(ada, 'spend it all')
  await eventually(async () =>
    expect((await system.heard(ada)).join()).toContain('Your credit is not enough for this message.'),
  )
  // One call was made, and it alone overshot.
  expect((await served()).slice(before)).toHaveLength(1)
  const turn = await db.query('SELECT attempts, error_code FROM turns ORDER BY created_at DESC LIMIT 1')
  expect(turn.rows).toEqual([{ attempts: 1, error_code: 'out_of_credit' }])
  await db.query(
    `INSERT INTO credit_entries (user_id, amount_micros, reason, reference) VALUES ($1, 30000000, 'correction', 'more')`,
    [ada.userId],
  )
  await db.query(`SELECT pg_notify('yourclaw', 'changes:')`)
  await eventually(async () => {
    const { rows } = await db.query(
      'SELECT sum(amount_micros)::bigint > 0 AS ok FROM credit_entries WHERE user_id = $1',
      [ada.userId],
    )
    expect(rows).toEqual([{ ok: true }])
  })
  await system.say(ada, 'are you back?')
  await eventually(async () => expect((await system.heard(ada)).join()).toContain('are you back?'))
  expect(JSON.stringify((await served()).at(-1)?.body)).not.toContain('credit is not enough')
}, 480_000)

test('a provider that is down is left for the person’s fallback model, and without one its trouble is told in words', async () => {
  await use(models[0][0])
  await system.api(ada, 'PATCH', '/users/me', { fallbackModel: models[1][0] })
  await settled()
  await system.sandbox('/sim/faults', { provider: 'anthropic', status: 529 })
  const before = (await served()).length
  await system.say(ada, 'who answers me now?')
  await eventually(async () => expect((await system.heard(ada)).join()).toContain('who answers me now?'))
  const asked = (await served()).slice(before).map(({ model }) => model)
  expect(asked.at(-1)).toBe('gpt-6-luna')
  await system.api(ada, 'PATCH', '/users/me', { fallbackModel: null })
  await settled()
  await system.say(ada, 'and without another?')
  await vi.waitFor(
    async () => expect((await system.heard(ada)).join()).toContain('The model’s provider has a problem'),
    { timeout: 120_000, interval: 500 },
  )
  await system.sandbox('/sim/reset', {})
  await system.say(ada, 'are you back from that?')
  await eventually(async () => expect((await system.heard(ada)).join()).toContain('are you back from that?'))
}, 480_000)

test('S3, S8: no real key is in a file, a log, an argument or an environment of the host', async () => {
  const own = { provider: 'OPENAI', key: ownCanary }
  expect((await system.api(ada, 'POST', '/api-keys', own)).status).toBe(201)
  await use(models[1][0])
  await vi.waitFor(
    async () => {
      await system.say(ada, 'with my key')
      await vi.waitFor(async () => expect((await served()).at(-1)?.key).toBe(ownCanary), 3_000)
    },
    { timeout: 60_000 },
  )
  const found = (place: string, text: string) => (text.includes('canary-') ? [place] : [])
  const grep = () => {
    try {
      return execFileSync('grep', ['-rlaF', 'canary-', system.hostsDir], { encoding: 'utf8' }).split('\n')
    } catch {
      // grep's word for nothing found.
      return []
    }
  }
  expect(grep().filter((file) => file !== '')).toEqual([])
  expect(found('logs', JSON.stringify(logs))).toEqual([])
  const gateways = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && pid !== String(process.pid))
  const leaks = gateways.flatMap((pid) =>
    ['cmdline', 'environ'].flatMap((file) => {
      try {
        const text = readFileSync(`/proc/${pid}/${file}`, 'latin1')
        return text.includes('7f3a') ? found(`${pid} ${file}`, text) : []
      } catch {
        // It has ended, or is not ours to read.
        return []
      }
    }),
  )
  expect(leaks).toEqual([])
  // What the control plane keeps is sealed.
  const tables = await db.query(`SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
  for (const { name } of tables.rows) {
    const { rows } = await db.query(
      `SELECT count(*)::int AS found FROM ${name} t WHERE t::text LIKE '%canary-%'`,
    )
    expect([name, rows[0]?.found]).toEqual([name, 0])
  }
}, 480_000)
