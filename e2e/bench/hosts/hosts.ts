import { cpSync } from 'node:fs'
import path from 'node:path'
import { type AssistantSpec, Phase, Presence } from '@yourclaw/proto/host/v1'
import { megabytes, monotonicMs, ms, percentile, type Row, times } from '../figures.ts'
import { assistantImage, docker, dockerRun, standInImage } from './docker.ts'
import { assistant, startHost } from './host.ts'

const rounds = 3
const crowd = 20
const ready = Phase.PHASE_READY

/** A real assistant against Docker by hand, in turns, so that what else the machine does meets both; one at a time. */
export async function benchCreate(): Promise<Row[]> {
  const host = await startHost(assistantImage)
  const took: { ours: number[]; plain: number[] } = { ours: [], plain: [] }
  let made: AssistantSpec[] = []
  let usage = ''
  try {
    for (let round = 0; round < rounds; round += 1) {
      const one = assistant(round)
      made = [one]
      took.ours.push(await host.reach(made, ready))
      usage = await docker('stats', '--no-stream', '--format', '{{.MemUsage}}', `yourclaw-${one.userId}`)
      const config = path.join(host.dataDir, 'gateway')
      cpSync(path.join(host.dataDir, one.userId, 'gateway'), config, { recursive: true })
      await host.reach([{ ...one, generation: 2, presence: Presence.PRESENCE_ABSENT }], Phase.PHASE_ABSENT)
      made = []
      const startedAtMs = monotonicMs()
      const remove = await dockerRun(config)
      took.plain.push(monotonicMs() - startedAtMs)
      await remove()
    }
  } finally {
    await host.stop(made)
  }
  const [ours, plain] = [percentile(took.ours, 0.5), percentile(took.plain, 0.5)]
  return [
    { what: `create → READY, OpenClaw (${rounds} times, p50)`, figure: ms(ours) },
    { what: 'docker run → /readyz, the same image, config and limits (p50)', figure: ms(plain) },
    {
      what: 'create → READY to docker run → /readyz',
      figure: times(ours / plain),
      goal: '≤ 1.1 ×',
      met: ours / plain <= 1.1,
    },
    { what: 'memory of that assistant at READY, of its limit', figure: usage },
  ]
}

/** Twenty stand-ins against the agent. */
export async function benchCrowd(): Promise<Row[]> {
  const host = await startHost(standInImage)
  const all = Array.from({ length: crowd }, (_, number) => assistant(number))
  try {
    const createMs = await host.reach(all, ready)
    host.tap.calls.length = 0
    await host.reach(
      all.map((one) => ({ ...one, generation: 2 })),
      ready,
    )
    const reapply = host.tap.calls.filter(isNotInspect)
    const again = all.map((one) => ({ ...one, generation: 2 }))
    const sessionMs = await host.restart()
    host.tap.calls.length = 0
    const adoptMs = await host.reach(again, ready)
    const memory = host.memory()
    return [
      { what: `${crowd} stand-ins: create → all READY`, figure: ms(createMs) },
      {
        what: `unchanged re-apply of ${crowd}: Docker calls that are not inspect`,
        figure: String(reapply.length),
        goal: '0',
        met: reapply.length === 0,
      },
      { what: `agent restart with ${crowd} running: process start → session`, figure: ms(sessionMs) },
      { what: `agent restart with ${crowd} running: snapshot → all adopted`, figure: ms(adoptMs) },
      {
        what: `agent’s resident memory with ${crowd}`,
        figure: megabytes(memory),
        goal: '≤ 120 MB',
        met: memory <= 120 * 2 ** 20,
      },
    ]
  } finally {
    await host.stop(all)
  }
}

/** A list is a look at several. The events are one call that stays. */
const isNotInspect = (call: string) => !/^GET .*\/(json|events)$/.test(call)
