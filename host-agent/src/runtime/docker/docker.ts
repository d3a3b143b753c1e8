import { resolve } from 'node:path'
import Docker from 'dockerode'
import type { Logger } from 'pino'
import type { ModelGateway } from '../../model-gateway/server.ts'
import { archiveFolders, restoreFolders } from '../archive.ts'
import { diskUsed } from '../disk.ts'
import { createGateways, type Health } from '../openclaw/gateways.ts'
import type { Runtime } from '../runtime.ts'
import { sessionKey } from '../session-key.ts'
import { tenantUid } from './container.ts'
import { withEngine } from './engine.ts'
import { toAgentError, tolerating } from './errors.ts'
import { createFirewall } from './firewall.ts'
import { eraseFolders, foldersOf, makeFolders } from './folders.ts'
import { createGuardedConversations } from './guarded-conversation.ts'
import { createLabels } from './labels.ts'
import { createLauncher } from './launcher.ts'
import { createNetworks } from './network.ts'
import { placeAsTenant } from './placing.ts'
import { briefSeconds } from './removal.ts'
import { createRest } from './rest.ts'
import { createWatcher } from './watcher.ts'

/**
 * Assistants as locked containers on this host's Docker Engine, each in a network of its own. What runs stays when the
 * agent goes, and the next one adopts it by its labels; what does not carry them is never touched.
 */
export function createDockerRuntime(input: {
  dataDir: string
  /** What runs when a spec names no image. */
  image: string
  tenantSubnet: string
  modelGateway: Pick<ModelGateway, 'openDoor'>
  health?: Health
  log: Logger
}): Runtime {
  const { log } = input
  const dataDir = resolve(input.dataDir)
  const docker = new Docker()
  const labels = createLabels(dataDir)
  const networks = createNetworks({ docker, labels, tenantSubnet: input.tenantSubnet })
  const firewall = createFirewall({ tenantSubnet: input.tenantSubnet })
  const watcher = createWatcher({
    docker,
    labels,
    log,
    // Somebody may have flushed them.
    swept: () => (gateways.all().length > 0 ? firewall.ensure() : Promise.resolve()),
  })
  const conversations = createGuardedConversations()
  const closing = new AbortController()
  const launcher = createLauncher({
    ...input,
    docker,
    labels,
    networks,
    firewall,
    watcher,
    dataDir,
    closing: closing.signal,
    heldStill,
  })
  const gateways = createGateways({ launcher, health: input.health })

  /** Does it while nothing in the assistant's containers moves. */
  async function heldStill<T>(assistantId: string, work: () => Promise<T>): Promise<T> {
    const running = await docker.listContainers({ filters: labels.filter(assistantId) })
    const containers = running.map(({ Id }) => docker.getContainer(Id))
    return gateways.whileHeld(assistantId, async () => {
      try {
        for (const container of containers) await container.pause()
        return await work()
      } finally {
        // One that was not paused, or ended meanwhile, is as it should be (404, 409, 500).
        for (const container of containers) await tolerating([404, 409, 500], container.unpause())
      }
    })
  }

  const rest = createRest({ docker, labels, hold: gateways.hold })
  const coded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await withEngine(work, () => closing.signal.aborted)
    } catch (error) {
      throw toAgentError(error)
    }
  }

  return {
    name: 'docker',
    start: (spec, goesDown) => coded(() => gateways.start(spec, goesDown)),
    apply: (spec) => coded(() => gateways.apply(spec)),
    stop: (assistantId) => coded(() => gateways.stop(assistantId)),
    erase: (spec) =>
      coded(async () => {
        await gateways.stop(spec.assistantId, briefSeconds)
        await eraseFolders(foldersOf(dataDir, spec.userId))
      }),
    conversation: ({ userId, assistantId }, conversation) =>
      conversations.of(foldersOf(dataDir, userId), sessionKey(assistantId, conversation)),
    placeFile: ({ userId }, path, sourceFile) => placeAsTenant(foldersOf(dataDir, userId), path, sourceFile),
    archiveState: ({ assistantId, userId }, destinationFile) =>
      coded(() =>
        heldStill(assistantId, () => archiveFolders(foldersOf(dataDir, userId).root, destinationFile)),
      ),
    diskUsed: ({ userId }) => diskUsed(foldersOf(dataDir, userId).root),
    restoreState: ({ assistantId, userId }, sourceFile, sha256) =>
      coded(async () => {
        const folders = foldersOf(dataDir, userId)
        await gateways.stop(assistantId)
        await restoreFolders(folders.root, sourceFile, sha256, { uid: tenantUid, gid: tenantUid })
        await makeFolders(folders)
      }),
    rest: {
      pause: (assistantId) => coded(() => rest.pause(assistantId)),
      reclaimMemory: (assistantId) => coded(() => rest.reclaimMemory(assistantId)),
      unpause: (assistantId) => coded(() => rest.unpause(assistantId)),
    },
    leftRunning: () =>
      coded(async () => {
        const containers = await docker.listContainers({ all: true, filters: labels.filter() })
        const ids = [
          ...containers.flatMap(({ Labels }) => labels.assistantId(Labels) ?? []),
          ...(await networks.owners()),
        ]
        return [...new Set(ids)].filter((id) => !gateways.has(id))
      }),
    onExit: gateways.onExit,
    async close() {
      closing.abort()
      gateways.close()
      conversations.close()
      await watcher.close()
      await Promise.all(gateways.all().map(({ gateway }) => gateway.release()))
    },
  }
}
