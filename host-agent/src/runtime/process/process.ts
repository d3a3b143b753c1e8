import { createReadStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import { ensureOpenclaw, openclawVersion } from '../../../openclaw/install.ts'
import { AgentError } from '../../errors.ts'
import { plugins } from '../../plugins.ts'
import { archiveFolders, restoreFolders } from '../archive.ts'
import { diskUsed } from '../disk.ts'
import { configPath, type Places, renderConfig, writeConfig } from '../openclaw/config.ts'
import { openclawConversation } from '../openclaw/conversation.ts'
import { writeFirstFiles } from '../openclaw/first-files.ts'
import { createGateways, createStartLimit, type Gateway, turnSeconds } from '../openclaw/gateways.ts'
import { ready } from '../openclaw/ready.ts'
import { placeFile } from '../place-file.ts'
import type { Runtime } from '../runtime.ts'
import { sessionKey } from '../session-key.ts'
import { adoptGateway, freePort, type GatewayProcess, spawnGateway } from './gateway.ts'
import { dropNote, listNotes, readNote, startTimeOf, writeNote } from './notes.ts'

/** An agent that stops, and its gateways with it, does not have a turn's time. */
const stopDeadlineMs = 20_000
const startDeadlineMs = 90_000
/** One that ran already answers at once, or is not worth having. */
const adoptDeadlineMs = 10_000

/** Assistants as real OpenClaw processes of this user: no containers, hence no walls between them. */
export function createProcessRuntime(input: {
  dataDir: string
  modelGatewayUrl: string
  progress?: (line: string) => void
}): Runtime {
  // An assistant runs in a folder of its own, where a relative path would mean another place.
  const dataDir = resolve(input.dataDir)
  const runDir = join(dataDir, '.run')
  const inTurn = createStartLimit()
  let closing = false

  const places = (userId: string): Places => ({
    home: join(dataDir, userId, 'config'),
    workspace: join(dataDir, userId, 'workspace'),
  })

  async function write(spec: AssistantSpec, port: number): Promise<boolean> {
    const at = places(spec.userId)
    const { modelGatewayUrl } = input
    const reach = {
      port,
      bind: 'loopback' as const,
      modelGatewayUrl,
      browser: false,
      channelPlugin: plugins.channel,
      webSearchPlugin: plugins.webSearch,
    }
    return writeConfig(configPath(at), renderConfig(spec, at, reach))
  }

  function gatewayOf(process: GatewayProcess, port: number, restartCount: number): Gateway {
    return {
      containerId: String(process.pid),
      url: process.url,
      // Its tools' processes go with it.
      ended: process.ended.then(async () => {
        await process.stop(0)
        return undefined
      }),
      fits: (spec) => spec.restartCount === restartCount,
      write: (spec) => write(spec, port),
      listen: process.listen,
      kill: () => process.stop(0),
      release: async () => {},
    }
  }

  async function launch(spec: AssistantSpec): Promise<Gateway> {
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
    await writeFirstFiles(at.workspace)
    const port = await freePort()
    const { home } = at
    const { restartCount } = spec
    await write(spec, port)
    const process = spawnGateway({ entry, places: at, port })
    const gateway = gatewayOf(process, port, restartCount)
    try {
      const { pid } = process
      const note = {
        pid,
        startTime: await startTimeOf(pid),
        home,
        port,
        version: openclawVersion,
        restartCount,
      }
      await writeNote(runDir, spec.assistantId, note)
      await ready(gateway, startDeadlineMs)
    } catch (error) {
      await process.stop(0)
      await dropNote(runDir, spec.assistantId)
      throw error
    }
    return gateway
  }

  /** Takes over what an agent that died left running, if it is what the spec asks for; else ends it. */
  async function adopt(spec: AssistantSpec): Promise<Gateway | undefined> {
    const note = await readNote(runDir, spec.assistantId)
    if (!note) return undefined
    const process = adoptGateway(note)
    const gateway = gatewayOf(process, note.port, note.restartCount)
    const isAtHome = note.version === openclawVersion && note.home === places(spec.userId).home
    if (isAtHome && gateway.fits(spec)) {
      try {
        await ready(gateway, adoptDeadlineMs)
        input.progress?.(`Adopted the gateway of assistant ${spec.assistantId}, process ${note.pid}`)
        return gateway
      } catch (error) {
        if (!(error instanceof AgentError)) throw error
      }
    }
    await process.stop(stopDeadlineMs)
    return undefined
  }

  async function end(assistantId: string, seconds: number): Promise<void> {
    const note = await readNote(runDir, assistantId)
    if (note) await adoptGateway(note).stop(seconds * 1000)
    await dropNote(runDir, assistantId)
  }

  const gateways = createGateways({
    launcher: {
      async adopt(spec) {
        const gateway = await adopt(spec)
        return gateway && { gateway }
      },
      launch: (spec) => inTurn(() => launch(spec)),
      async replace(spec, _old, goesDown) {
        goesDown()
        await end(spec.assistantId, turnSeconds)
        return { gateway: await inTurn(() => launch(spec)) }
      },
      end: (assistantId, _gateway, { seconds }) => end(assistantId, seconds),
    },
  })
  const { start, apply, stop } = gateways

  return {
    name: 'process',
    start,
    apply,
    stop: (assistantId) => stop(assistantId),
    async erase(spec) {
      await stop(spec.assistantId, 0)
      await rm(join(dataDir, spec.userId), { recursive: true, force: true })
    },
    conversation: ({ userId, assistantId }, conversation) =>
      openclawConversation(places(userId).home, sessionKey(assistantId, conversation)),
    placeFile: ({ userId }, path, sourceFile) =>
      placeFile(places(userId).workspace, path, createReadStream(sourceFile)),
    archiveState: ({ assistantId, userId }, destinationFile) =>
      gateways.whileHeld(assistantId, async () => {
        const note = await readNote(runDir, assistantId)
        const running = note && adoptGateway(note)
        running?.pause()
        try {
          return await archiveFolders(join(dataDir, userId), destinationFile)
        } finally {
          running?.resume()
        }
      }),
    diskUsed: ({ userId }) => diskUsed(join(dataDir, userId)),
    async restoreState({ assistantId, userId }, sourceFile, sha256) {
      await stop(assistantId)
      await restoreFolders(join(dataDir, userId), sourceFile, sha256)
    },
    leftRunning: async () => (await listNotes(runDir)).filter((id) => !gateways.has(id)),
    onExit: gateways.onExit,
    async close() {
      closing = true
      gateways.close()
      const ids = new Set([
        ...gateways.all().map(({ assistantId }) => assistantId),
        ...(await listNotes(runDir)),
      ])
      await Promise.all([...ids].map((id) => stop(id, stopDeadlineMs / 1000)))
    },
  }
}
