import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import Docker, { type Container, type ContainerInspectInfo } from 'dockerode'
import pLimit from 'p-limit'
import type { Logger } from 'pino'
import { AgentError } from '../../errors.ts'
import type { Door, ModelGateway } from '../../model-gateway/server.ts'
import { archiveFolders, restoreFolders } from '../archive.ts'
import { reloaded, renderConfig, writeConfig } from '../openclaw/config.ts'
import { ready } from '../openclaw/ready.ts'
import type { Running, Runtime } from '../runtime.ts'
import {
  containerName,
  containerOptions,
  containerPlaces,
  gatewayPort,
  limitsOf,
  specHash,
  tenantUid,
} from './container.ts'
import { withEngine } from './engine.ts'
import { refusal, toAgentError, tolerating, unlessGone } from './errors.ts'
import { createFirewall } from './firewall.ts'
import { eraseFolders, foldersOf, makeFolders } from './folders.ts'
import { createGuardedConversations } from './guarded-conversation.ts'
import { createLabels } from './labels.ts'
import { createNetworks, nameTaken, type TenantNetwork } from './network.ts'
import { printed } from './output.ts'
import { removeContainer } from './removal.ts'
import { modelGatewayPort } from './rules.ts'
import { createWatcher } from './watcher.ts'

interface Live {
  container: Container
  network: TenantNetwork
  door: Door
  ended: Promise<void>
  /** False when the gateway did not say that it took up its config as it stands. */
  inEffect: boolean
}

const startDeadlineMs = 90_000
/** One that ran already answers at once, or is not worth having. */
const adoptDeadlineMs = 10_000
const reloadDeadlineMs = 15_000

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
    swept: () => (live.size > 0 ? firewall.ensure() : Promise.resolve()),
  })
  const conversations = createGuardedConversations()
  const live = new Map<string, Live>()
  // A start takes some seconds of a processor: more at once than there are would only make all of them late.
  const inTurn = pLimit(availableParallelism())
  const closing = Promise.withResolvers<void>()
  let isClosing = false
  let exited: Parameters<Runtime['onExit']>[0] = () => {}

  const imageOf = (spec: AssistantSpec) => spec.image || input.image
  const urlOf = ({ address }: TenantNetwork) => `http://${address}:${gatewayPort}`

  async function write(spec: AssistantSpec, { door }: Pick<Live, 'door'>): Promise<boolean> {
    const config = renderConfig(spec, containerPlaces, {
      port: gatewayPort,
      bind: 'lan',
      modelGatewayUrl: door.url,
    })
    return writeConfig(join(foldersOf(dataDir, spec.userId).config, 'openclaw.json'), config, 0o644)
  }

  /** Walls first, then what is behind them. */
  async function bringUp(spec: AssistantSpec): Promise<Live> {
    await firewall.ensure()
    const network = await networks.ensure(spec.assistantId, spec.userId)
    const door = await input.modelGateway.openDoor({
      address: network.gateway,
      port: modelGatewayPort,
      caller: network.address,
      assistantId: spec.assistantId,
    })
    try {
      await makeFolders(foldersOf(dataDir, spec.userId))
      const found = await unlessGone(docker.getContainer(containerName(spec)).inspect())
      if (found) {
        const adopted = await adopt(spec, found, network, door)
        if (adopted) return adopted
      }
      return await inTurn(() => launch(spec, network, door))
    } catch (error) {
      await door.close()
      throw error
    }
  }

  const parts = (spec: AssistantSpec, network: TenantNetwork) => ({
    spec,
    image: imageOf(spec),
    network,
    folders: foldersOf(dataDir, spec.userId),
  })

  /** Takes over a container that an agent before this one left, if it is what the spec asks for; else ends it. */
  async function adopt(
    spec: AssistantSpec,
    found: ContainerInspectInfo,
    network: TenantNetwork,
    door: Door,
  ): Promise<Live | undefined> {
    const carried = found.Config.Labels
    if (!labels.areOurs(carried) || labels.assistantId(carried) !== spec.assistantId) {
      throw nameTaken(containerName(spec))
    }
    const container = docker.getContainer(found.Id)
    // The agent before this one may have died while it held it still.
    if (found.State.Paused) await container.unpause()
    if (found.State.Running && labels.specHash(carried) === specHash(parts(spec, network))) {
      const adopted = watch(container, network, door)
      try {
        await ready({ url: urlOf(network), ended: adopted.ended }, adoptDeadlineMs)
        await update(adopted, spec)
        log.info({ assistantId: spec.assistantId, containerId: found.Id }, 'adopted a running container')
        return adopted
      } catch (error) {
        if (isClosing || !(error instanceof AgentError)) throw error
      }
    }
    await removeContainer(container)
    return undefined
  }

  async function launch(spec: AssistantSpec, network: TenantNetwork, door: Door): Promise<Live> {
    await write(spec, { door })
    const container = await create(spec, network)
    try {
      await container.start()
      const launched = watch(container, network, door)
      await ready({ url: urlOf(network), ended: launched.ended }, startDeadlineMs)
      return launched
    } catch (error) {
      // An agent that stops leaves it to the next one.
      if (!isClosing) await removeContainer(container)
      throw error
    }
  }

  async function create(spec: AssistantSpec, network: TenantNetwork): Promise<Container> {
    try {
      return await docker.createContainer(containerOptions(parts(spec, network), labels))
    } catch (error) {
      if (refusal(error) === 409) throw nameTaken(containerName(spec))
      if (refusal(error) === 404) {
        throw new AgentError('image_missing', 'This host does not have the assistant’s image.', {
          cause: error,
        })
      }
      throw error
    }
  }

  function watch(container: Container, network: TenantNetwork, door: Door): Live {
    const ended = Promise.race([watcher.ended(container.id).then(() => {}), closing.promise])
    return { container, network, door, ended, inEffect: true }
  }

  /** An end that `stop` did not ask for is told to the reconciler, which starts it again. */
  async function tellEnd(assistantId: string, one: Live): Promise<void> {
    const ending = await watcher.ended(one.container.id)
    if (live.get(assistantId) !== one) return
    live.delete(assistantId)
    await one.door.close()
    log.warn({ assistantId, cause: ending.code }, 'a container ended')
    exited(assistantId, ending)
  }

  /** Resolves once the limits hold and the next turn meets the new model, token and addresses. */
  async function update(running: Live, spec: AssistantSpec): Promise<void> {
    const limits = limitsOf(spec)
    const { HostConfig } = await running.container.inspect()
    const asWanted = Object.entries(limits).every(([name, value]) => Reflect.get(HostConfig, name) === value)
    if (!asWanted) await running.container.update(limits)
    const sinceMs = Date.now()
    const changed = await write(spec, running)
    if (!changed && running.inEffect) return
    running.inEffect = await printed(running.container, reloaded, { sinceMs, timeoutMs: reloadDeadlineMs })
    if (running.inEffect) return
    throw new AgentError('apply_failed', 'The gateway did not take up its new config.', { retryable: true })
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

  async function stop(assistantId: string): Promise<void> {
    const running = live.get(assistantId)
    live.delete(assistantId)
    const all = await docker.listContainers({ all: true, filters: labels.filter(assistantId) })
    for (const { Id } of all) await removeContainer(docker.getContainer(Id))
    await running?.door.close()
    await networks.remove(assistantId)
  }

  /** Does it while nothing in the assistant's containers moves. */
  async function heldStill<T>(assistantId: string, work: () => Promise<T>): Promise<T> {
    const running = await docker.listContainers({ filters: labels.filter(assistantId) })
    const containers = running.map(({ Id }) => docker.getContainer(Id))
    try {
      for (const container of containers) await container.pause()
      return await work()
    } finally {
      // One that was not paused, or ended meanwhile, is as it should be (404, 409, 500).
      for (const container of containers) await tolerating([404, 409, 500], container.unpause())
    }
  }

  const coded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await withEngine(work, () => isClosing)
    } catch (error) {
      throw toAgentError(error)
    }
  }

  return {
    name: 'docker',
    start: (spec) =>
      coded(async (): Promise<Running> => {
        const { assistantId } = spec
        // What it did not take up live it takes up with a new container.
        if (live.get(assistantId)?.inEffect === false) await stop(assistantId)
        if (live.has(assistantId)) await apply(spec)
        else {
          const started = await bringUp(spec)
          live.set(assistantId, started)
          void tellEnd(assistantId, started)
        }
        const running = live.get(assistantId)
        if (!running) throw new AgentError('start_failed', 'The gateway ended at once.', { retryable: true })
        return { containerId: running.container.id, url: urlOf(running.network) }
      }),
    apply: (spec) => coded(() => apply(spec)),
    stop: (assistantId) => coded(() => stop(assistantId)),
    erase: (spec) =>
      coded(async () => {
        await stop(spec.assistantId)
        await eraseFolders(foldersOf(dataDir, spec.userId))
      }),
    conversation: (spec) => conversations.of(foldersOf(dataDir, spec.userId), spec.assistantId),
    archiveState: ({ assistantId, userId }, destinationFile) =>
      coded(() =>
        heldStill(assistantId, () => archiveFolders(foldersOf(dataDir, userId).root, destinationFile)),
      ),
    restoreState: ({ assistantId, userId }, sourceFile, sha256) =>
      coded(async () => {
        const folders = foldersOf(dataDir, userId)
        await stop(assistantId)
        await restoreFolders(folders.root, sourceFile, sha256, { uid: tenantUid, gid: tenantUid })
        await makeFolders(folders)
      }),
    leftRunning: () =>
      coded(async () => {
        const containers = await docker.listContainers({ all: true, filters: labels.filter() })
        const ids = [
          ...containers.flatMap(({ Labels }) => labels.assistantId(Labels) ?? []),
          ...(await networks.owners()),
        ]
        return [...new Set(ids)].filter((id) => !live.has(id))
      }),
    onExit(listener) {
      exited = listener
    },
    async close() {
      isClosing = true
      closing.resolve()
      conversations.close()
      await watcher.close()
      await Promise.all([...live.values()].map(({ door }) => door.close()))
    },
  }
}
