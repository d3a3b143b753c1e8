import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startEngineTap, startTestControlPlane } from '@yourclaw/host-agent/testing'
import { AssistantSpec, type Observed, Phase, Presence, Provider } from '@yourclaw/proto/host/v1'
import { bundleAgent } from '../../../tools/bundle/bundle.ts'
import { until } from '../../src/until.ts'
import { monotonicMs } from '../figures.ts'
import { type Program, startProgram } from '../program.ts'

/** One host agent as a process of its own, before a control plane that only tells it what to run. */
export async function startHost(image: string, more: Record<string, string> = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'yourclaw-hosts-'))
  const control = await startTestControlPlane({ sessionTimeoutMs: 60_000 })
  const socket = path.join(folder, 'docker.sock')
  const tap = await startEngineTap(socket)
  const dataDir = path.join(folder, 'data')
  // As hosts run it: Node that reads TypeScript takes more memory and longer to start.
  const program = path.join(folder, 'program')
  await bundleAgent('0.0.0', program)
  const seen = new Map<string, Observed>()
  void (async () => {
    for (;;) {
      const { body } = await control.said.next(({ body }) => body?.$case === 'observed')
      if (body?.$case === 'observed') seen.set(body.observed.assistantId, body.observed)
    }
  })()
  let agent: Program
  let session: Awaited<ReturnType<typeof control.sessions.next>>
  let seq = 1n
  async function boot() {
    agent = startProgram({
      script: path.join(program, 'lib/main.js'),
      env: {
        CONTROL_PLANE_URL: control.url,
        JOIN_TOKEN: 'join',
        HOST_NAME: 'bench',
        RUNTIME: 'docker',
        MAX_ASSISTANTS: '100',
        STATE_DIR: path.join(folder, 'agent'),
        ASSISTANT_DATA_DIR: dataDir,
        ASSISTANT_IMAGE: image,
        DOCKER_HOST: `unix://${socket}`,
        LOG_LEVEL: 'error',
        // As bin/yourclaw-agent starts it.
        NODE_OPTIONS: '--max-semi-space-size=1',
        MALLOC_ARENA_MAX: '1',
        ...more,
      },
      logPath: path.join(folder, 'agent.log'),
    })
    session = await control.sessions.next()
    // Its welcome was the first.
    seq = 1n
  }
  /** Tells the whole desired state; resolves when all of it is reported so, with the milliseconds that took. */
  async function reach(assistants: AssistantSpec[], phase: Phase): Promise<number> {
    const startedAtMs = monotonicMs()
    seq += 1n
    const sharedKeys = [{ provider: Provider.PROVIDER_ANTHROPIC, key: 'real' }]
    const snapshot = { assistants, sharedKeys, removeOrphans: true }
    session.call.write({ seq, ack: 0n, body: { $case: 'snapshot', snapshot } })
    await until(async () =>
      assistants.every(({ assistantId, generation }) => {
        const found = seen.get(assistantId)
        return found?.generation === generation && found.phase === phase
      }),
    )
    return monotonicMs() - startedAtMs
  }
  await boot()
  return {
    dataDir,
    tap,
    reach,
    memory: () => agent.memory(),
    /** Ends the agent and starts it again; the milliseconds until its session. */
    async restart(): Promise<number> {
      await agent.stop()
      seen.clear()
      const startedAtMs = monotonicMs()
      await boot()
      return monotonicMs() - startedAtMs
    },
    async stop(assistants: AssistantSpec[]) {
      const gone = assistants.map((one) => ({
        ...one,
        generation: 1_000,
        presence: Presence.PRESENCE_ABSENT,
      }))
      await reach(gone, Phase.PHASE_ABSENT)
      await agent.stop()
      tap.close()
      await control.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const assistant = (number: number, more: Partial<AssistantSpec> = {}) =>
  AssistantSpec.create({
    assistantId: `bench-${number}`,
    userId: `bench-${process.pid}-${number}`,
    generation: 1,
    presence: Presence.PRESENCE_RUNNING,
    model: 'anthropic/claude-sonnet-4-5-20250929',
    gatewayToken: `token-${number}`,
    virtualKey: `key-${number}`,
    ...more,
  })
