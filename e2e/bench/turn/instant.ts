import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { freePort } from '@yourclaw/control-plane/testing'
import pg from 'pg'
import { until } from '../../src/until.ts'
import { load, megabytes, monotonicMs, ms, percentile, type Row, summary, times } from '../figures.ts'
import { type Asked, webhookSecret } from '../phone.ts'
import { startProgram } from '../program.ts'
import { takeStatements } from '../statements.ts'
import { programPath, type System, startSystem } from '../system.ts'

const people = 100
const warmUps = 100
const samples = 600
/** Long enough that start-up effects are a small part. */
const loadTurns = 6_000

/** Everything with a gateway that answers at once: what remains is ours. */
export async function benchInstant(options: { profileDir?: string | undefined }): Promise<Row[]> {
  const gatewayPort = await freePort()
  const gatewayUrl = `http://127.0.0.1:${gatewayPort}`
  const system = await startSystem({ people, gatewayUrl, ...options })
  const gateway = startProgram({
    script: programPath('gateway'),
    env: { PORT: String(gatewayPort) },
    logPath: path.join(system.folder, 'gateway.log'),
  })
  const barePort = await freePort()
  const bareUrl = `http://127.0.0.1:${barePort}`
  const bare = startProgram({
    script: programPath('bare-bot'),
    env: {
      PORT: String(barePort),
      TELEGRAM_API_ROOT: system.phone.apiRoot,
      TELEGRAM_WEBHOOK_SECRET: webhookSecret,
      GATEWAY_URL: gatewayUrl,
    },
    logPath: path.join(system.folder, 'bare-bot.log'),
  })
  try {
    await until(async () => (await fetch(bareUrl)).status > 0)
    await until(async () => (await fetch(gatewayUrl)).status > 0)
    const idle = { controlPlane: system.controlPlane.memory(), agent: system.agent.memory() }
    const commits = await listenForCommits(system)
    const latency = await measureLatency(system, bareUrl)
    await commits.close()
    const toAgent = commitToAgent(system, commits.atMs, latency.ours)
    const throughput = await measureThroughput(system)
    if (options.profileDir !== undefined) {
      writeFileSync(
        path.join(options.profileDir, 'statements.json'),
        JSON.stringify(throughput.statements, null, 1),
      )
    }
    return [
      ...latency.rows,
      {
        what: 'commit → StartTurn at the agent, p50 (p99)',
        figure: `${ms(toAgent.p50)} (${ms(toAgent.p99)})`,
        goal: '≤ 10 ms',
        met: toAgent.p50 <= 10,
      },
      ...throughput.rows,
      ...memoryRows(idle, throughput.memory),
    ]
  } finally {
    await gateway.stop()
    await bare.stop()
    await system.stop()
  }
}

/** One message in flight, ours, bare, bare with an early answer, ours, …; people take turns. */
async function measureLatency(system: System, bareUrl: string) {
  const { phone, webhookUrl } = system
  const sides = { ours: webhookUrl, bare: `${bareUrl}/`, early: `${bareUrl}/early` }
  const asked: Record<keyof typeof sides, Asked[]> = { ours: [], bare: [], early: [] }
  const loadBefore = load()
  for (let round = 0; round < warmUps + samples; round += 1) {
    const person = system.people[round % people] ?? 0
    for (const side of ['ours', 'bare', 'early'] as const) {
      const one = await phone.ask(sides[side], person, `message ${round}`)
      if (round >= warmUps) asked[side].push(one)
    }
  }
  const of = (side: keyof typeof sides) => ({
    reply: summary(asked[side].map(({ sentAtMs, repliedAtMs }) => repliedAtMs - sentAtMs)),
    ack: summary(asked[side].map(({ sentAtMs, ackedAtMs }) => ackedAtMs - sentAtMs)),
  })
  const [ours, bare, early] = [of('ours'), of('bare'), of('early')]
  const pair = ({ p50, p99 }: { p50: number; p99: number }) => `p50 ${ms(p50)}, p99 ${ms(p99)}`
  const replyRatio = ours.reply.p50 / bare.reply.p50
  const ackRatio = ours.ack.p99 / bare.ack.p99
  const rows: Row[] = [
    {
      what: `reply, YourClaw (${samples} messages one by one, load ${loadBefore})`,
      figure: pair(ours.reply),
    },
    { what: 'reply, bare bot', figure: pair(bare.reply) },
    { what: 'reply p50, ratio', figure: times(replyRatio), goal: '≤ 2.5 ×', met: replyRatio <= 2.5 },
    { what: 'webhook ack, YourClaw: the message is durable', figure: pair(ours.ack) },
    { what: 'webhook ack, bare bot: the reply is sent', figure: pair(bare.ack) },
    { what: 'webhook ack p99, ratio', figure: times(ackRatio), goal: '≤ 2 ×', met: ackRatio <= 2 },
    { what: 'webhook ack, bare bot that answers first and keeps nothing', figure: pair(early.ack) },
  ]
  return { rows, ours: asked.ours }
}

/** When each commit that notifies was heard of by a connection that listens. */
async function listenForCommits(system: System) {
  const client = new pg.Client({ connectionString: system.databaseUrl })
  const atMs: number[] = []
  client.on('notification', ({ payload }) => {
    if (payload?.startsWith('messages:')) atMs.push(monotonicMs())
  })
  await client.connect()
  await client.query('LISTEN yourclaw')
  return { atMs, close: () => client.end() }
}

/** With one message in flight, the first commit and the first turn taken after it was sent are its own. */
function commitToAgent(system: System, commitsAtMs: number[], asked: Asked[]) {
  const lines = readFileSync(system.agentLog, 'utf8').split('\n')
  const taken = lines.flatMap((line) =>
    line.includes('"turn taken"') ? [JSON.parse(line).time as number] : [],
  )
  const first = (times: number[], { sentAtMs, repliedAtMs }: Asked) =>
    times.find((time) => time > sentAtMs && time < repliedAtMs)
  const waits = asked.flatMap((one) => {
    const [committed, started] = [first(commitsAtMs, one), first(taken, one)]
    return committed === undefined || started === undefined ? [] : [started - committed]
  })
  if (waits.length < asked.length * 0.9) throw new Error('turns could not be matched with their commits')
  return { p50: percentile(waits, 0.5), p99: percentile(waits, 0.99) }
}

/** Everybody writes again as soon as they are answered; every answer must be that message's own. */
async function measureThroughput(system: System) {
  const { phone, webhookUrl, controlPlane, agent } = system
  const peak = { controlPlane: 0, agent: 0 }
  const watch = setInterval(() => {
    peak.controlPlane = Math.max(peak.controlPlane, controlPlane.memory())
    peak.agent = Math.max(peak.agent, agent.memory())
  }, 250)
  const cpuBefore = { controlPlane: controlPlane.cpuSeconds(), agent: agent.cpuSeconds() }
  let next = 0
  let answered = 0
  let wrong = 0
  const replyMs: number[] = []
  const startedAtMs = monotonicMs()
  const loadBefore = load()
  const own = process.cpuUsage()
  await takeStatements(system.databaseUrl)
  await Promise.all(
    system.people.map(async (person) => {
      while (next < loadTurns) {
        next += 1
        const text = `load ${next}`
        const one = await phone.ask(webhookUrl, person, text).catch((error: unknown) => {
          console.error(error)
        })
        if (one === undefined) continue
        answered += 1
        replyMs.push(one.repliedAtMs - one.sentAtMs)
        if (one.reply !== `Re: ${text}`) wrong += 1
      }
    }),
  )
  const seconds = (monotonicMs() - startedAtMs) / 1000
  clearInterval(watch)
  const statements = await takeStatements(system.databaseUrl)
  const perTurnMs = (from: number, to: number) => `${(((to - from) * 1000) / answered).toFixed(2)} ms`
  const rate = answered / seconds
  const lost = next - answered
  const { user, system: kernel } = process.cpuUsage(own)
  const cpu = [
    `control plane ${perTurnMs(cpuBefore.controlPlane, controlPlane.cpuSeconds())}`,
    `agent ${perTurnMs(cpuBefore.agent, agent.cpuSeconds())}`,
    `Telegram and the people ${perTurnMs(0, (user + kernel) / 1e6)}`,
  ]
  const rows: Row[] = [
    {
      what: `durable turns a second (${people} people, ${next} messages, load ${loadBefore})`,
      figure: rate.toFixed(0),
      goal: '≥ 300',
      met: rate >= 300,
    },
    {
      what: 'lost; wrong answers (updates sent again because the webhook’s connection broke)',
      figure: `${lost}; ${wrong} (${phone.sentAgain()})`,
      goal: '0; 0',
      met: lost === 0 && wrong === 0,
    },
    {
      what: 'reply under that load',
      figure: `p50 ${ms(percentile(replyMs, 0.5))}, p99 ${ms(percentile(replyMs, 0.99))}`,
    },
    { what: 'CPU a turn', figure: cpu.join(', ') },
    {
      what: 'SQL statements a turn',
      figure: (sum(statements.map(({ calls }) => calls)) / answered).toFixed(1),
    },
    {
      what: 'time inside PostgreSQL a turn',
      figure: ms(sum(statements.map(({ totalMs }) => totalMs)) / answered),
    },
  ]
  return { rows, memory: peak, statements }
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)

function memoryRows(idle: { controlPlane: number; agent: number }, peak: typeof idle): Row[] {
  const row = (what: string, from: number, to: number): Row => ({
    what: `memory of the ${what} (RSS), idle → most under load`,
    figure: `${megabytes(from)} → ${megabytes(to)}`,
  })
  return [row('control plane', idle.controlPlane, peak.controlPlane), row('agent', idle.agent, peak.agent)]
}
