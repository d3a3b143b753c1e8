import { get } from 'node:http'
import { json } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { Phase } from '@yourclaw/proto/host/v1'
import { startSandbox } from '@yourclaw/sandbox'
import { megabytes, type Row } from '../figures.ts'
import { assistantImage, docker } from './docker.ts'
import { assistant, startHost } from './host.ts'

const turns = 40
const idleSeconds = 60

/** What the engine counted of a container: CPU since it started, and memory without what is only cached. */
async function counted(container: string) {
  const stats = await new Promise<unknown>((resolve, reject) => {
    const path = `/containers/${container}/stats?stream=false&one-shot=true`
    get({ socketPath: '/var/run/docker.sock', path }, (response) => resolve(json(response))).on(
      'error',
      reject,
    )
  })
  const { cpu_stats: cpu, memory_stats: memory } = stats as {
    cpu_stats: { cpu_usage: { total_usage: number } }
    memory_stats: { usage: number; stats: Record<string, number> }
  }
  const cached = memory.stats.total_inactive_file ?? memory.stats.inactive_file ?? 0
  return { cpuSeconds: cpu.cpu_usage.total_usage / 1e9, memory: memory.usage - cached }
}

/** What one assistant takes from its host: idle, in a conversation, and with its browser open. */
export async function benchUse(): Promise<Row[]> {
  const sandbox = await startSandbox({ port: 0 })
  const host = await startHost(assistantImage, { ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic` })
  const one = assistant(0)
  const name = `yourclaw-${one.userId}`
  const script = (body: object) =>
    fetch(`${sandbox.url}/sim/models/script`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  try {
    await host.reach([one], Phase.PHASE_READY)
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
    const address = await docker('inspect', '--format', format, name)
    const ask = async (content: string) => {
      const response = await fetch(`http://${address}:18789/v1/chat/completions`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${one.gatewayToken}`,
          'x-openclaw-session-key': 'bench',
        },
        body: JSON.stringify({ model: 'openclaw', messages: [{ role: 'user', content }] }),
      })
      if (!response.ok) throw new Error(`a turn ended with ${response.status}: ${await response.text()}`)
      await response.text()
    }
    // What a start leaves to do is done by then.
    await pause(30_000)
    const rested = await counted(name)
    await pause(idleSeconds * 1000)
    const idle = await counted(name)
    await script({ reply: 'It is done, as you asked.' })
    await ask('the first turn loads what the others find')
    const before = await counted(name)
    for (let turn = 0; turn < turns; turn += 1) await ask(`question ${turn}: what shall I cook tonight?`)
    const after = await counted(name)
    await script({
      toolCalls: [{ name: 'playwright__browser_navigate', arguments: { url: 'about:blank' } }],
      times: 1,
    })
    await ask('open the browser')
    const browsing = await counted(name)
    const idlePercent = ((idle.cpuSeconds - rested.cpuSeconds) / idleSeconds) * 100
    const turnSeconds = (after.cpuSeconds - before.cpuSeconds) / turns
    return [
      { what: 'idle assistant: memory', figure: megabytes(idle.memory) },
      { what: `idle assistant: CPU, of one core (${idleSeconds} s)`, figure: `${idlePercent.toFixed(2)} %` },
      { what: `after ${turns} turns: memory`, figure: megabytes(after.memory) },
      {
        what: `CPU a turn, the model's time not in it (${turns} turns)`,
        figure: `${turnSeconds.toFixed(2)} s`,
      },
      { what: 'with its browser open: memory', figure: megabytes(browsing.memory) },
    ]
  } finally {
    await host.stop([one])
    await sandbox.stop()
  }
}
