import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type AssistantSpec, type Observed, Phase, Presence } from '@yourclaw/proto/host/v1'
import Docker from 'dockerode'
import { expect, onTestFinished, test, vi } from 'vitest'
import { sendSnapshot, spec, startTestAgent } from '../../testing/agent.ts'
import { startEngineTap } from '../../testing/engine-tap.ts'
import { removeAssistants } from './removal.ts'
import { imageWith, lacksDocker, testImage } from './testing.ts'

const main = fileURLToPath(new URL('../../main.ts', import.meta.url))
const docker = new Docker()
/** No change of an assistant takes more steps of the engine. */
const mostSteps = 12

/** A control plane, and one agent after the other as a process of its own. */
async function start() {
  const { control, env, dir } = await startTestAgent({
    settings: { RUNTIME: 'docker', ASSISTANT_IMAGE: testImage },
  })
  onTestFinished(() => removeAssistants(env.ASSISTANT_DATA_DIR))
  const socket = join(dir, 'docker.sock')
  const tap = await startEngineTap(socket)
  onTestFinished(tap.close)
  const settings = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)]))
  const reports: Observed[] = []
  void (async () => {
    for (;;) {
      const { body } = await control.said.next(({ body }) => body?.$case === 'observed')
      if (body?.$case === 'observed') reports.push(body.observed)
    }
  })()
  let agent: ChildProcess
  let session: Awaited<ReturnType<typeof control.sessions.next>>
  let seq = 1n
  const boot = async () => {
    agent = spawn(process.execPath, [main], {
      env: { ...settings, PATH: process.env.PATH, LOG_LEVEL: 'silent', DOCKER_HOST: `unix://${socket}` },
      stdio: 'ignore',
    })
    session = await control.sessions.next()
    // Its welcome was the first.
    seq = 1n
  }
  onTestFinished(async () => {
    agent.kill('SIGKILL')
    if (agent.exitCode === null && agent.signalCode === null) await once(agent, 'exit')
  })
  const tell = (assistants: AssistantSpec[]) => {
    seq += 1n
    reports.length = 0
    sendSnapshot({ ...session, seq }, assistants)
  }
  const isSo = ({ assistantId, generation }: AssistantSpec, phase: Phase) =>
    reports.some(
      (one) => one.assistantId === assistantId && one.generation === generation && one.phase === phase,
    )
  /** Tells the desired state and waits until the last of it is so. */
  const reach = async (assistants: AssistantSpec[], phase: Phase) => {
    tell(assistants)
    const last = assistants.at(-1) ?? spec()
    await vi.waitUntil(() => isSo(last, phase), { timeout: 60_000, interval: 20 })
  }
  await boot()
  return {
    dataDir: env.ASSISTANT_DATA_DIR,
    reach,
    /** The same, but the agent is killed after so many steps of the engine, and the next one has to get there. */
    async reachKilled(assistants: AssistantSpec[], phase: Phase, steps: number) {
      tap.cutAfter(steps, () => agent.kill('SIGKILL'))
      tell(assistants)
      const last = assistants.at(-1) ?? spec()
      const isKilled = () => agent.signalCode !== null
      await vi.waitUntil(() => isKilled() || isSo(last, phase), { timeout: 60_000, interval: 20 })
      tap.cutAfter(Number.POSITIVE_INFINITY, () => {})
      if (!isKilled()) return false
      await boot()
      await reach(assistants, phase)
      return true
    },
  }
}

test.skipIf(await lacksDocker())(
  'F9: an agent that is killed after any step of create, update or remove leaves what the next one brings to the same end',
  { timeout: 600_000 },
  async () => {
    const { dataDir, reach, reachKilled } = await start()
    const image = await imageWith({ MIGRATE: 'migrated' })
    const bystander = spec({ assistantId: 'by', userId: 'stander', virtualKey: 'vk-by' })
    const name = (userId: string) => `yourclaw-${userId}`
    const identity = async () => {
      const { Id, State } = await docker.getContainer(name(bystander.userId)).inspect()
      return [Id, State.StartedAt, State.Running]
    }
    await reach([bystander], Phase.PHASE_READY)
    const untouched = await identity()
    const left = async (userId: string) => {
      const filters = { label: [`yourclaw.assistant-id=a-${userId}`, `yourclaw.data-dir=${dataDir}`] }
      const containers = await docker.listContainers({ all: true, filters })
      const networks = await docker.listNetworks({ filters })
      return {
        containers: containers.map(({ Names, State, Image }) => [Names[0], State, Image]),
        networks: networks.map(({ Name }) => Name),
        folders: (await readdir(join(dataDir, userId)).catch(() => [])).toSorted(),
      }
    }
    const kills = { create: 0, update: 0, remove: 0 }
    for (let steps = 1; steps <= mostSteps; steps += 1) {
      const userId = `killed${steps}`
      const subject = spec({ assistantId: `a-${userId}`, userId, virtualKey: `vk-${userId}` })
      const one = (image: string) => ({
        containers: [[`/${name(userId)}`, 'running', image]],
        networks: [name(userId)],
        folders: ['config', 'gateway', 'workspace'],
      })
      if (await reachKilled([bystander, subject], Phase.PHASE_READY, steps)) kills.create += 1
      expect(await left(userId)).toEqual(one(testImage))
      const updated = { ...subject, generation: 2, image }
      if (await reachKilled([bystander, updated], Phase.PHASE_READY, steps)) kills.update += 1
      expect(await left(userId)).toEqual(one(image))
      expect(await readFile(join(dataDir, userId, 'config', 'state'), 'utf8')).toBe('migrated\n')
      const absent = { ...updated, generation: 3, presence: Presence.PRESENCE_ABSENT }
      if (await reachKilled([bystander, absent], Phase.PHASE_ABSENT, steps)) kills.remove += 1
      expect(await left(userId)).toEqual({ containers: [], networks: [], folders: [] })
    }
    expect(await identity()).toEqual(untouched)
    // Every step was met: the last rounds ran to their end.
    expect(kills).toEqual({
      create: expect.any(Number),
      update: expect.any(Number),
      remove: expect.any(Number),
    })
    for (const count of Object.values(kills)) {
      expect(count).toBeGreaterThan(2)
      expect(count).toBeLessThan(mostSteps)
    }
  },
)
