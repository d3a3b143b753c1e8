import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort } from '@yourclaw/control-plane/testing'
import { monotonicMs, ms, type Row, summary } from './figures.ts'
import { startProgram } from './program.ts'

const streams = [1, 50, 200]
const firstByteCalls = 600
const goalMs = 2
const words = 'What a turn says to a model, with its instructions and tools. '
const asked = JSON.stringify({
  model: 'claude-sonnet-4-5-20250929',
  max_tokens: 1_000,
  stream: true,
  // About what OpenClaw sends.
  messages: [{ role: 'user', content: words.repeat(700) }],
})

/** The model gateway beside a direct call to the same provider, call by call in turn. */
export async function benchGateway(): Promise<Row[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-gateway-'))
  const [providerPort, gatewayPort] = [await freePort(), await freePort()]
  const script = (name: string) => path.join(import.meta.dirname, 'programs', name)
  const log = (name: string) => path.join(folder, `${name}.log`)
  const env = { PROVIDER: `http://127.0.0.1:${providerPort}`, DIR: folder, PORT: String(gatewayPort) }
  const programs = [
    startProgram({
      script: script('provider.ts'),
      env: { PORT: String(providerPort) },
      logPath: log('provider'),
    }),
    startProgram({ script: script('model-gateway.ts'), env, logPath: log('gateway') }),
  ]
  const agent = new Agent({ keepAlive: true })
  const side = (port: number, prefix: string) => (index: number, chunks: number) =>
    call({ agent, port, path: `${prefix}/v1/messages`, key: `vk${index % 50}`, chunks })
  const sides = { direct: side(providerPort, ''), gateway: side(gatewayPort, '/anthropic') }
  try {
    for (const make of Object.values(sides)) await patiently(() => make(0, 1))
    const rows: Row[] = []
    for (const count of streams) rows.push(...(await compare(sides, count)))
    return rows
  } finally {
    agent.destroy()
    for (const program of programs) await program.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

type Side = (index: number, chunks: number) => Promise<Called>
interface Called {
  firstByteMs: number
  bytes: number
}

async function compare(sides: { direct: Side; gateway: Side }, count: number): Promise<Row[]> {
  const names = ['direct', 'gateway'] as const
  const first = { direct: [] as number[], gateway: [] as number[] }
  for (let round = 0; round < Math.max(3, firstByteCalls / count); round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const calls = await Promise.all(Array.from({ length: count }, (_, index) => sides[name](index, 1)))
      first[name].push(...calls.map(({ firstByteMs }) => firstByteMs))
    }
  }
  const rate = { direct: 0, gateway: 0 }
  for (const name of names) {
    const began = monotonicMs()
    const calls = await Promise.all(
      Array.from({ length: count }, (_, index) => sides[name](index, Math.ceil(100_000 / count))),
    )
    rate[name] = calls.reduce((sum, { bytes }) => sum + bytes, 0) / (monotonicMs() - began) / 1_000
  }
  const [direct, gateway] = [summary(first.direct), summary(first.gateway)]
  const added = gateway.p50 - direct.p50
  const at = `${count} ${count === 1 ? 'stream' : 'streams'}`
  const goal = count === 1 ? { goal: `≤ ${goalMs} ms`, met: added <= goalMs } : {}
  return [
    { what: `${at}: first byte, direct`, figure: `p50 ${ms(direct.p50)}, p99 ${ms(direct.p99)}` },
    {
      what: `${at}: first byte, through the gateway`,
      figure: `p50 ${ms(gateway.p50)}, p99 ${ms(gateway.p99)}`,
    },
    {
      what: `${at}: added to the first byte, p50 (p99)`,
      figure: `${ms(added)} (${ms(gateway.p99 - direct.p99)})`,
      ...goal,
    },
    {
      what: `${at}: throughput, direct → through the gateway`,
      figure: `${rate.direct.toFixed(1)} → ${rate.gateway.toFixed(1)} MB/s`,
    },
  ]
}

function call(input: {
  agent: Agent
  port: number
  path: string
  key: string
  chunks: number
}): Promise<Called> {
  const { promise, resolve, reject } = Promise.withResolvers<Called>()
  const headers = {
    ...{ 'x-api-key': input.key, 'content-type': 'application/json' },
    // A header that the gateway lets through.
    'anthropic-beta': `chunks-${input.chunks}`,
  }
  const began = monotonicMs()
  const { agent, port, path } = input
  request({ agent, port, path, host: '127.0.0.1', method: 'POST', headers }, (response) => {
    if (response.statusCode !== 200) return reject(new Error(`answered ${response.statusCode}`))
    let firstByteMs = 0
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      firstByteMs ||= monotonicMs() - began
      bytes += chunk.length
    })
    response.once('error', reject)
    response.once('end', () => resolve({ firstByteMs, bytes }))
  })
    .on('error', reject)
    .end(asked)
  return promise
}

async function patiently(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await work()
      return
    } catch (error) {
      if (tries === 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
