import path from 'node:path'
import { freePort } from '@yourclaw/control-plane/testing'
import { until } from '../src/until.ts'
import { load, monotonicMs, ms, percentile, type Row, summary } from './figures.ts'
import { startProgram } from './program.ts'
import { programPath, type System, startSystem } from './system.ts'

const people = 50
const warmUps = 50
const samples = 300
const goalMs = 50

/** From the first word of an answer to the first change on the phone, beside a call that reads the gateway directly. */
export async function benchStream(): Promise<Row[]> {
  const port = await freePort()
  const gatewayUrl = `http://127.0.0.1:${port}`
  const system = await startSystem({ people, gatewayUrl })
  const gateway = startProgram({
    script: programPath('slow-gateway'),
    env: { PORT: String(port) },
    logPath: path.join(system.folder, 'gateway.log'),
  })
  try {
    await until(async () => (await fetch(gatewayUrl)).ok)
    return await compare(system, gatewayUrl)
  } finally {
    await gateway.stop()
    await system.stop()
  }
}

async function compare(system: System, gatewayUrl: string): Promise<Row[]> {
  const loadBefore = load()
  const waits = { ours: [] as number[], direct: [] as number[] }
  for (let round = 0; round < warmUps + samples; round += 1) {
    const [one, other] = [`phone ${round}`, `direct ${round}`]
    const seenAtMs = await onPhone(system, system.people[round % people] ?? 0, one)
    const readAtMs = await directly(gatewayUrl, other)
    if (round < warmUps) continue
    waits.ours.push(seenAtMs - (await firstWordAt(gatewayUrl, one)))
    waits.direct.push(readAtMs - (await firstWordAt(gatewayUrl, other)))
  }
  const [ours, direct] = [summary(waits.ours), summary(waits.direct)]
  const added = waits.ours.map((wait, index) => wait - (waits.direct[index] ?? 0))
  const p50 = percentile(added, 0.5)
  const pair = (of: typeof ours) => `p50 ${ms(of.p50)}, p99 ${ms(of.p99)}`
  return [
    {
      what: `first word → first change on the phone (${samples} answers one by one, load ${loadBefore})`,
      figure: pair(ours),
    },
    { what: 'first word → read by a direct call', figure: pair(direct) },
    {
      what: 'added, p50 (p99)',
      figure: `${ms(p50)} (${ms(percentile(added, 0.99))})`,
      goal: `≤ ${goalMs} ms`,
      met: p50 <= goalMs,
    },
  ]
}

/** Resolves with when the person sees the first word, once the answer is whole. */
async function onPhone({ phone, webhookUrl }: System, person: number, text: string): Promise<number> {
  const shown = phone.preview(person)
  await phone.ask(webhookUrl, person, text)
  return shown
}

async function directly(gatewayUrl: string, text: string): Promise<number> {
  const body = { stream: true, messages: [{ role: 'user', content: text }] }
  const response = await fetch(`${gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(body),
  })
  let atMs = 0
  for await (const _ of response.body ?? []) atMs ||= monotonicMs()
  return atMs
}

async function firstWordAt(gatewayUrl: string, text: string): Promise<number> {
  return Number(await (await fetch(`${gatewayUrl}/first-word?${new URLSearchParams({ text })}`)).text())
}
