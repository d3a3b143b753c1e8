import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import { ensureOpenclaw } from '../../../openclaw/install.ts'
import { AgentError } from '../../errors.ts'
import type { Running, Runtime } from '../runtime.ts'
import { configPath, type Places, renderConfig, writeConfig } from './config.ts'
import { conversationExists } from './conversation.ts'
import { freePort, type GatewayProcess, ready, spawnGateway } from './gateway.ts'
import { endOrphans, forgetPid, notePid } from './orphans.ts'

interface Live {
  gateway: GatewayProcess
  port: number
  spec: AssistantSpec
}

/** A turn that still runs at a stop was given its time by the relay. */
const stopDeadlineMs = 20_000
const orphanDeadlineMs = 3_000
const reloadDeadlineMs = 15_000
/** What the pinned version prints when an edited config took effect; see its docs, gateway/configuration. */
const reloaded = /config (hot reload applied|change applied)/i

/** Assistants as real OpenClaw processes of this user: no containers, hence no walls between them. */
export function createProcessRuntime(input: {
  dataDir: string
  modelGatewayUrl: string
  progress?: (line: string) => void
}): Runtime {
  // An assistant runs in a folder of its own, where a relative path would mean another place.
  const dataDir = resolve(input.dataDir)
  const runDir = join(dataDir, '.run')
  const live = new Map<string, Live>()
  const userIds = new Map<string, string>()
  let exited: (assistantId: string) => void = () => {}
  const swept = endOrphans(runDir, orphanDeadlineMs)
  // Told to whoever waits for it; nobody may be waiting yet.
  swept.catch(() => {})

  const places = (userId: string): Places => ({
    home: join(dataDir, userId, 'config'),
    workspace: join(dataDir, userId, 'workspace'),
  })

  async function write(spec: AssistantSpec, port: number): Promise<boolean> {
    const at = places(spec.userId)
    return writeConfig(configPath(at), renderConfig(spec, at, port, input.modelGatewayUrl))
  }

  async function launch(spec: AssistantSpec): Promise<Live> {
    const entry = await ensureOpenclaw(input.progress ? { progress: input.progress } : {}).catch((error) => {
      throw new AgentError('install_failed', 'OpenClaw could not be installed.', {
        cause: error,
        retryable: true,
      })
    })
    const at = places(spec.userId)
    await mkdir(at.home, { recursive: true, mode: 0o700 })
    await mkdir(at.workspace, { recursive: true, mode: 0o700 })
    const port = await freePort()
    await write(spec, port)
    const gateway = spawnGateway({ entry, places: at, port })
    try {
      await notePid(runDir, spec.assistantId, gateway.pid, at.home)
      await ready(gateway)
    } catch (error) {
      await gateway.stop(0)
      await forgetPid(runDir, spec.assistantId)
      throw error
    }
    return { gateway, port, spec }
  }

  /** An end that `stop` did not ask for is told to the reconciler, which starts it again. */
  function watch(assistantId: string, { gateway }: Live): void {
    gateway.ended.then(async () => {
      if (live.get(assistantId)?.gateway !== gateway) return
      live.delete(assistantId)
      // Its tools' processes go with it.
      await gateway.stop(0)
      exited(assistantId)
    })
  }

  async function apply(spec: AssistantSpec): Promise<void> {
    const running = live.get(spec.assistantId)
    if (!running) return
    const effective = running.gateway.printed(reloaded, reloadDeadlineMs)
    if (!(await write(spec, running.port))) return
    running.spec = spec
    // The next turn must meet the new model and token.
    if (await effective) return
    // One that ended is told by `onExit`, and started again with the new config.
    if (live.get(spec.assistantId) !== running) return
    throw new AgentError('apply_failed', 'The gateway did not take up its new config.', { retryable: true })
  }

  async function stop(assistantId: string): Promise<void> {
    await swept
    const running = live.get(assistantId)
    if (!running) return
    live.delete(assistantId)
    await running.gateway.stop(stopDeadlineMs)
    await forgetPid(runDir, assistantId)
  }

  return {
    name: 'process',
    async start(spec): Promise<Running> {
      await swept
      userIds.set(spec.assistantId, spec.userId)
      if (live.has(spec.assistantId)) await apply(spec)
      else {
        const started = await launch(spec)
        live.set(spec.assistantId, started)
        watch(spec.assistantId, started)
      }
      const running = live.get(spec.assistantId)
      if (!running) throw new AgentError('start_failed', 'The gateway ended at once.', { retryable: true })
      return { containerId: String(running.gateway.pid), url: running.gateway.url }
    },
    apply,
    stop,
    async erase(spec) {
      await stop(spec.assistantId)
      await rm(join(dataDir, spec.userId), { recursive: true, force: true })
    },
    async conversationExists(assistantId) {
      const userId = userIds.get(assistantId)
      return userId !== undefined && conversationExists(places(userId).home, assistantId)
    },
    onExit(listener) {
      exited = listener
    },
    async close() {
      await Promise.all([...live.keys()].map(stop))
    },
  }
}
