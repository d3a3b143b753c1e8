import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '@yourclaw/control-plane/testing'
import { z } from 'zod'
import { ensureOpenclaw, openclawVersion } from '../../../host-agent/openclaw/install.ts'
import { until } from '../../src/until.ts'
import { load, monotonicMs, ms, type Row, summary, times } from '../figures.ts'
import { webhookSecret } from '../phone.ts'
import { type Program, startProgram } from '../program.ts'
import { type System, startSystem } from '../system.ts'

const reply = 'That is all there is to say about it.'
const expected = /^That is all/
const warmUps = 5

/** The parts of an assistant's config that are read or changed here. */
const configSchema = z.looseObject({
  gateway: z.looseObject({ port: z.number(), auth: z.object({ mode: z.string(), token: z.string() }) }),
  agents: z.looseObject({ defaults: z.looseObject({ workspace: z.string() }) }),
  plugins: z.looseObject({ allow: z.array(z.string()) }),
  logging: z.object({ file: z.string() }),
})
type Config = z.infer<typeof configSchema>

/** A real OpenClaw three ways: through YourClaw, called directly, and over its own Telegram channel. */
export async function benchOpenclaw(): Promise<Row[]> {
  const system = await startSystem({ people: 0, maxAssistants: 1 })
  let own: Program | undefined
  try {
    const config = readConfig(system)
    const webhookUrl = await startOwnChannel(system, config)
    own = webhookUrl.program
    const sides = {
      ours: () => telegram(system, system.webhookUrl),
      direct: () => callDirectly(config),
      own: () => telegram(system, webhookUrl.url),
    }
    const instant = await measure(system, sides, { rounds: 60, modelMs: 0 })
    const slow = await measure(system, sides, { rounds: 12, modelMs: 2_000 })
    return [
      ...rows(instant, 'model that answers at once', { direct: 1.03, own: 0.35 }),
      ...rows(slow, 'model that takes 2 s', { direct: 1.03 }),
    ]
  } finally {
    await own?.stop()
    await system.stop()
  }
}

const ways = ['ours', 'direct', 'own'] as const
/** What a gateway still does after its answer is no burden of whoever comes next. */
const restMs = 400

type Sides = Record<(typeof ways)[number], () => Promise<number>>

/** One turn in flight, the three ways in turns, each round in another order. */
async function measure(system: System, sides: Sides, input: { rounds: number; modelMs: number }) {
  await script(system, input.modelMs)
  const took: Record<keyof Sides, number[]> = { ours: [], direct: [], own: [] }
  const loadBefore = load()
  for (let round = 0; round < warmUps + input.rounds; round += 1) {
    const first = round % ways.length
    for (const side of [...ways.slice(first), ...ways.slice(0, first)]) {
      await pause(restMs)
      const durationMs = await sides[side]()
      if (round >= warmUps) took[side].push(durationMs)
    }
  }
  return {
    rounds: input.rounds,
    loadBefore,
    ours: summary(took.ours),
    direct: summary(took.direct),
    own: summary(took.own),
  }
}

function rows(
  figures: Awaited<ReturnType<typeof measure>>,
  model: string,
  goals: { direct?: number; own?: number },
): Row[] {
  const { ours, direct, own } = figures
  const toDirect = ours.p50 / direct.p50
  const toOwn = ours.p50 / own.p50
  const pair = ({ p50, p99 }: { p50: number; p99: number }) => `p50 ${ms(p50)}, p99 ${ms(p99)}`
  const goal = (ratio: number, most?: number) =>
    most === undefined ? {} : { goal: `≤ ${most} ×`, met: ratio <= most }
  return [
    {
      what: `${model}: reply through YourClaw (${figures.rounds} turns, load ${figures.loadBefore})`,
      figure: pair(ours),
    },
    { what: `${model}: answer to the direct call`, figure: pair(direct) },
    { what: `${model}: reply over OpenClaw’s own Telegram channel`, figure: pair(own) },
    {
      what: `${model}: YourClaw to the direct call, p50`,
      figure: times(toDirect),
      ...goal(toDirect, goals.direct),
    },
    {
      what: `${model}: YourClaw to OpenClaw’s own channel, p50`,
      figure: times(toOwn),
      ...goal(toOwn, goals.own),
    },
  ]
}

async function telegram({ phone, people: [person = 0] }: System, webhookUrl: string): Promise<number> {
  const { sentAtMs, repliedAtMs } = await phone.ask(webhookUrl, person, 'What is there to say?', expected)
  return repliedAtMs - sentAtMs
}

/** As the agent asks, in a session of its own. */
async function callDirectly({ gateway }: Config): Promise<number> {
  const startedAtMs = monotonicMs()
  const response = await fetch(`http://127.0.0.1:${gateway.port}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${gateway.auth.token}`,
      'x-openclaw-session-key': 'bench-direct',
    },
    body: JSON.stringify({
      model: 'openclaw',
      stream: true,
      messages: [{ role: 'user', content: 'What is there to say?' }],
    }),
  })
  const text = await response.text()
  if (!text.includes('[DONE]'))
    throw new Error(`the gateway answered ${response.status} ${text.slice(0, 200)}`)
  return monotonicMs() - startedAtMs
}

async function script({ phone }: System, delayMs: number): Promise<void> {
  await fetch(`${phone.url}/sim/models/script`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reply, delayMs }),
  })
}

function readConfig({ folder }: System): Config {
  const [file = ''] = globSync(path.join(folder, 'assistants/*/config/.openclaw/openclaw.json'))
  return configSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
}

/** The assistant's config with the channel switched on, in webhook mode, and nothing else changed but its places. */
async function startOwnChannel({ folder, phone }: System, config: Config) {
  const home = path.join(folder, 'own-channel')
  const workspace = path.join(home, 'workspace')
  const [port, webhookPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${webhookPort}/telegram-webhook`
  const own = {
    ...config,
    gateway: { ...config.gateway, port },
    agents: { ...config.agents, defaults: { ...config.agents.defaults, workspace } },
    plugins: { ...config.plugins, allow: [...config.plugins.allow, 'telegram'] },
    logging: { file: path.join(home, 'gateway.log') },
    channels: {
      telegram: {
        enabled: true,
        botToken: '3000:own-channel',
        apiRoot: phone.apiRoot,
        dmPolicy: 'open',
        allowFrom: ['*'],
        webhookUrl: url,
        webhookSecret,
        webhookPort,
      },
    },
  }
  mkdirSync(workspace, { recursive: true })
  mkdirSync(path.join(home, '.openclaw'), { recursive: true })
  writeFileSync(path.join(home, '.openclaw/openclaw.json'), JSON.stringify(own))
  const program = startProgram({
    script: await ensureOpenclaw(),
    args: ['gateway', 'run'],
    env: { HOME: home, LANG: 'C.UTF-8', OPENCLAW_NO_RESPAWN: '1' },
    logPath: path.join(home, 'output.log'),
  })
  // Its webhook refuses what has no secret, as soon as it is there.
  await until(async () => (await fetch(url, { method: 'POST' })).status >= 400)
  await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok)
  return { url, program, version: openclawVersion }
}
