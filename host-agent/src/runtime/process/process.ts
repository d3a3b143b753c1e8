import { mkdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import pLimit from 'p-limit'
import { ensureOpenclaw, openclawVersion } from '../../../openclaw/install.ts'
import { AgentError } from '../../errors.ts'
import { archiveFolders, restoreFolders } from '../archive.ts'
import { configPath, type Places, reloaded, renderConfig, writeConfig } from '../openclaw/config.ts'
import { openclawConversation } from '../openclaw/conversation.ts'
import { ready } from '../openclaw/ready.ts'
import type { Running, Runtime } from '../runtime.ts'
import { adoptGateway, freePort, type GatewayProcess, spawnGateway } from './gateway.ts'
import { dropNote, listNotes, readNote, startTimeOf, writeNote } from './notes.ts'

interface Live {
  gateway: GatewayProcess
  port: number
  /** False when the gateway did not say that it took up its config as it stands. */
  inEffect: boolean
}

/** OpenClaw finishes a running turn first; one that takes longer is cut off and taken up again (M15). */
const stopDeadlineMs = 20_000
const startDeadlineMs = 90_000
/** One that ran already answers at once, or is not worth having. */
const adoptDeadlineMs = 10_000
const reloadDeadlineMs = 15_000
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
  // A start takes some ten seconds of a processor: more at once than there are would only make all of them late.
  const inTurn = pLimit(availableParallelism())
  let closing = false
  let exited: (assistantId: string) => void = () => {}

  const places = (userId: string): Places => ({
    home: join(dataDir, userId, 'config'),
    workspace: join(dataDir, userId, 'workspace'),
  })

  async function write(spec: AssistantSpec, port: number): Promise<boolean> {
    const at = places(spec.userId)
    return writeConfig(
      configPath(at),
      renderConfig(spec, at, { port, bind: 'loopback', modelGatewayUrl: input.modelGatewayUrl }),
    )
  }

  async function launch(spec: AssistantSpec): Promise<Live> {
    const entry = await ensureOpenclaw(input.progress ? { progress: input.progress } : {}).catch((error) => {
      throw new AgentError('install_failed', 'OpenClaw could not be installed.', {
        cause: error,
        retryable: true,
      })
    })
    if (closing) throw new AgentError('agent_stopping', 'The host agent stops.', { retryable: true })
    const at = places(spec.userId)
    await mkdir(at.home, { recursive: true, mode: 0o700 })
    await mkdir(at.workspace, { recursive: true, mode: 0o700 })
    const port = await freePort()
    await write(spec, port)
    const gateway = spawnGateway({ entry, places: at, port })
    try {
      const { pid } = gateway
      const { home } = at
      const { restartCount } = spec
      const startTime = await startTimeOf(pid)
      const note = { pid, startTime, home, port, version: openclawVersion, restartCount }
      await writeNote(runDir, spec.assistantId, note)
      await ready(gateway, startDeadlineMs)
    } catch (error) {
      await gateway.stop(0)
      await dropNote(runDir, spec.assistantId)
      throw error
    }
    return { gateway, port, inEffect: true }
  }

  /** Takes over what an agent that died left running, if it is what the spec asks for; else ends it. */
  async function adopt(spec: AssistantSpec): Promise<Live | undefined> {
    const note = await readNote(runDir, spec.assistantId)
    if (!note) return undefined
    const gateway = adoptGateway(note)
    const fits = note.version === openclawVersion && note.restartCount === spec.restartCount
    if (fits && note.home === places(spec.userId).home) {
      const adopted = { gateway, port: note.port, inEffect: true }
      try {
        await ready(gateway, adoptDeadlineMs)
        // The spec may have changed meanwhile, and the model gateway may have had to take another port.
        await update(adopted, spec)
        input.progress?.(`Adopted the gateway of assistant ${spec.assistantId}, process ${note.pid}`)
        return adopted
      } catch (error) {
        if (!(error instanceof AgentError)) throw error
      }
    }
    await gateway.stop(stopDeadlineMs)
    return undefined
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
    try {
      await update(running, spec)
    } catch (error) {
      // One that ended is told by `onExit`, and started again with the new config.
      if (live.get(spec.assistantId) === running) throw error
    }
  }

  /** Resolves once the next turn meets the new model, token and addresses. */
  async function update(running: Live, spec: AssistantSpec): Promise<void> {
    const effective = running.gateway.printed(reloaded, reloadDeadlineMs)
    const changed = await write(spec, running.port)
    if (!changed && running.inEffect) return
    running.inEffect = await effective
    if (running.inEffect) return
    throw new AgentError('apply_failed', 'The gateway did not take up its new config.', { retryable: true })
  }

  async function stop(assistantId: string): Promise<void> {
    const running = live.get(assistantId)?.gateway ?? (await leftover(assistantId))
    live.delete(assistantId)
    await running?.stop(stopDeadlineMs)
    await dropNote(runDir, assistantId)
  }

  async function leftover(assistantId: string): Promise<GatewayProcess | undefined> {
    const note = await readNote(runDir, assistantId)
    return note && adoptGateway(note)
  }

  return {
    name: 'process',
    async start(spec): Promise<Running> {
      // What it did not take up live it takes up with a new process.
      if (live.get(spec.assistantId)?.inEffect === false) await stop(spec.assistantId)
      if (live.has(spec.assistantId)) await apply(spec)
      else {
        const started = (await adopt(spec)) ?? (await inTurn(() => launch(spec)))
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
    conversation: (spec) => openclawConversation(places(spec.userId).home, spec.assistantId),
    async archiveState({ assistantId, userId }, destinationFile) {
      const running = live.get(assistantId)?.gateway ?? (await leftover(assistantId))
      running?.pause()
      try {
        return await archiveFolders(join(dataDir, userId), destinationFile)
      } finally {
        running?.resume()
      }
    },
    async restoreState({ assistantId, userId }, sourceFile, sha256) {
      await stop(assistantId)
      await restoreFolders(join(dataDir, userId), sourceFile, sha256)
    },
    leftRunning: async () => (await listNotes(runDir)).filter((id) => !live.has(id)),
    onExit(listener) {
      exited = listener
    },
    async close() {
      closing = true
      const ids = new Set([...live.keys(), ...(await listNotes(runDir))])
      await Promise.all([...ids].map(stop))
    },
  }
}
