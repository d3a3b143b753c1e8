import { join } from 'node:path'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import type Docker from 'dockerode'
import type { Container, ContainerInspectInfo } from 'dockerode'
import type { Logger } from 'pino'
import { AgentError } from '../../errors.ts'
import type { Door, ModelGateway } from '../../model-gateway/server.ts'
import { plugins } from '../../plugins.ts'
import { renderConfig, writeConfig } from '../openclaw/config.ts'
import { writeFirstFiles } from '../openclaw/first-files.ts'
import {
  type Brought,
  createStartLimit,
  type Gateway,
  type Launcher,
  turnSeconds,
} from '../openclaw/gateways.ts'
import { placePlugin } from '../openclaw/place-plugin.ts'
import { ready } from '../openclaw/ready.ts'
import type { Berth } from './berth.ts'
import {
  configMount,
  containerName,
  containerOptions,
  containerPlaces,
  gatewayPort,
  limitsOf,
  specHash,
  tenantUid,
  trialName,
} from './container.ts'
import { refusal, tolerating, unlessGone, words } from './errors.ts'
import type { Firewall } from './firewall.ts'
import { foldersOf, makeFolders } from './folders.ts'
import { notedImage, noteImage } from './image-note.ts'
import { createImages, imageMissing } from './images.ts'
import type { Labels } from './labels.ts'
import { type createNetworks, nameTaken, type TenantNetwork } from './network.ts'
import { printed } from './output.ts'
import { briefSeconds, removeContainer } from './removal.ts'
import { modelGatewayPort } from './rules.ts'
import { createUpdates } from './update.ts'
import type { Watcher } from './watcher.ts'

/** Plugins of ours, beside the config that names them. */
const channelFolder = 'channel'
const webSearchFolder = 'web-search'
const startDeadlineMs = 90_000
/** One that ran already answers at once, or is not worth having. */
const adoptDeadlineMs = 10_000

export interface LauncherDeps {
  docker: Docker
  labels: Labels
  networks: ReturnType<typeof createNetworks>
  firewall: Firewall
  watcher: Watcher
  modelGateway: Pick<ModelGateway, 'openDoor'>
  dataDir: string
  /** What runs when a spec names no image. */
  image: string
  /** Aborted when the agent goes: containers stay as they are, waits end. */
  closing: AbortSignal
  heldStill: <T>(assistantId: string, work: () => Promise<T>) => Promise<T>
  log: Logger
}

/** Containers behind their walls: firewall, network and door to the model gateway first, then what is behind them. */
export function createLauncher(deps: LauncherDeps): Launcher {
  const { docker, labels, networks, watcher, dataDir, closing, log } = deps
  const images = createImages({ docker, log })
  const inTurn = createStartLimit()
  const folders = (spec: AssistantSpec) => foldersOf(dataDir, spec.userId)
  const parts = ({ spec, image, network }: Pick<Berth, 'spec' | 'image' | 'network'>) => ({
    spec,
    image,
    network,
    folders: folders(spec),
  })
  const berthOf = (spec: AssistantSpec, network: TenantNetwork): Berth => ({
    spec,
    image: spec.image || deps.image,
    network,
    writesConfig: true,
  })
  const hashOf = (berth: Berth) => specHash(parts(berth))

  const doorUrl = ({ gateway }: TenantNetwork) => `http://${gateway}:${modelGatewayPort}`
  const openDoor = (assistantId: string, network: TenantNetwork) =>
    deps.modelGateway.openDoor({
      address: network.gateway,
      port: modelGatewayPort,
      caller: network.address,
      assistantId,
    })

  async function writeConfigOf(
    spec: AssistantSpec,
    network: TenantNetwork,
    configDir = folders(spec).config,
  ) {
    await placePlugin(plugins.channel, join(configDir, channelFolder))
    await placePlugin(plugins.webSearch, join(configDir, webSearchFolder))
    const reach = {
      port: gatewayPort,
      bind: 'lan' as const,
      modelGatewayUrl: doorUrl(network),
      channelPlugin: `${configMount}/${channelFolder}`,
      browser: true,
      webSearchPlugin: `${configMount}/${webSearchFolder}`,
    }
    return writeConfig(join(configDir, 'openclaw.json'), renderConfig(spec, containerPlaces, reach), 0o644)
  }

  const { promise: gone, reject: go } = Promise.withResolvers<never>()
  gone.catch(() => {})
  closing.addEventListener('abort', () =>
    go(new AgentError('agent_stopping', 'The host agent stops.', { retryable: true })),
  )
  /** What Docker does goes on without us. */
  const orClosing = <T>(wait: Promise<T>) => Promise.race([wait, gone])

  function gatewayOf(
    container: Container,
    { network }: Berth,
    hash: string | undefined,
    door: Door,
  ): Gateway {
    return {
      containerId: container.id,
      url: `http://${network.address}:${gatewayPort}`,
      ended: watcher.ended(container.id),
      fits: (spec) => hashOf(berthOf(spec, network)) === hash,
      write: (spec) => writeConfigOf(spec, network),
      async bound(spec) {
        const limits = limitsOf(spec)
        const { HostConfig } = await container.inspect()
        const asWanted = Object.entries(limits).every(
          ([name, value]) => Reflect.get(HostConfig, name) === value,
        )
        if (asWanted) return
        await container.update(limits).catch((error: unknown) => {
          throw limitsRefused(error) ?? error
        })
      },
      listen() {
        const sinceMs = Date.now()
        return (pattern, timeoutMs) => printed(container, pattern, { sinceMs, timeoutMs })
      },
      kill: () => tolerating([404, 409], container.kill()),
      release: () => door.close(),
    }
  }

  /** Its image first: who waits for a registry holds up no other start. */
  async function launchInTurn(berth: Berth): Promise<Gateway> {
    const imageId = await orClosing(images.ensure(berth.image))
    return inTurn(async () => {
      const gateway = await launchIn(berth)
      await noteImage(folders(berth.spec), imageId)
      return gateway
    })
  }

  /** Behind walls that stand. */
  async function launchIn(berth: Berth): Promise<Gateway> {
    const { spec, network } = berth
    const door = await openDoor(spec.assistantId, network)
    try {
      await makeFolders(folders(spec))
      await writeFirstFiles(folders(spec).workspace, { uid: tenantUid, gid: tenantUid })
      if (berth.writesConfig) await writeConfigOf(spec, network)
      const container = await create(berth)
      try {
        await container.start()
        const gateway = gatewayOf(container, berth, hashOf(berth), door)
        await orClosing(ready(gateway, startDeadlineMs))
        return gateway
      } catch (error) {
        // An agent that stops leaves it to the next one.
        if (!closing.aborted) await removeContainer(container, briefSeconds)
        throw error
      }
    } catch (error) {
      await door.close()
      throw error
    }
  }

  async function create(berth: Berth): Promise<Container> {
    try {
      return await docker.createContainer(containerOptions(parts(berth), labels))
    } catch (error) {
      if (refusal(error) === 409) throw nameTaken(containerName(berth.spec))
      throw imageMissing(error) ?? limitsRefused(error) ?? error
    }
  }

  async function walls(spec: AssistantSpec): Promise<TenantNetwork> {
    await deps.firewall.ensure()
    return networks.ensure(spec.assistantId, spec.userId)
  }

  const updates = createUpdates({
    docker,
    labels,
    dataDir,
    parts,
    hashOf,
    isClosing: () => closing.aborted,
    orClosing,
    heldStill: deps.heldStill,
    writeConfig: (berth, configDir) => writeConfigOf(berth.spec, berth.network, configDir),
    images,
    launch: launchInTurn,
    log,
  })

  /** The container under the assistant's name, if it is ours; what was killed in a trial is cleared away. */
  async function find(spec: AssistantSpec): Promise<ContainerInspectInfo | undefined> {
    await tolerating([404], docker.getContainer(trialName(spec)).remove({ force: true }))
    const found = await unlessGone(docker.getContainer(containerName(spec)).inspect())
    if (!found) return undefined
    const carried = found.Config.Labels
    if (labels.areOurs(carried) && labels.assistantId(carried) === spec.assistantId) return found
    throw nameTaken(containerName(spec))
  }

  async function adopt(spec: AssistantSpec): Promise<Brought | undefined> {
    const network = await walls(spec)
    const berth = berthOf(spec, network)
    const found = await find(spec)
    const container = found && docker.getContainer(found.Id)
    // The agent before this one may have died while it held it still.
    if (found?.State.Paused) await container?.unpause()
    if (await updates.isUnfinished(berth)) {
      if (container) await orClosing(removeContainer(container, turnSeconds))
      return updates.finish(berth)
    }
    if (!found || !container) {
      // It was stopped, and what it shall be now may be another version.
      const ran = await notedImage(folders(spec))
      const isSame = ran === undefined || ran === (await orClosing(images.find(berth.image)))
      return isSame ? undefined : updates.replace(berth, { specHash: undefined, image: ran }, () => {})
    }
    const hash = labels.specHash(found.Config.Labels)
    const isWanted = hash === hashOf(berth)
    if (!found.State.Running) {
      if (!isWanted)
        return updates.replace(berth, { container, specHash: hash, image: found.Image }, () => {})
      await removeContainer(container, briefSeconds)
      return undefined
    }
    const door = await openDoor(spec.assistantId, network)
    const gateway = gatewayOf(container, berth, hash, door)
    try {
      const refused = isWanted ? undefined : await updates.refusedBefore(berth)
      if (!isWanted && !refused) {
        return await updates.replace(
          berth,
          { container, specHash: hash, image: found.Image, gateway },
          () => {},
        )
      }
      await orClosing(ready(gateway, adoptDeadlineMs))
      log.info({ assistantId: spec.assistantId, containerId: found.Id }, 'adopted a running container')
      return { gateway, ...(refused && { refused }) }
    } catch (error) {
      await door.close()
      if (closing.aborted || !(error instanceof AgentError) || !isWanted) throw error
      await removeContainer(container, briefSeconds)
      return undefined
    }
  }

  return {
    adopt,
    async launch(spec) {
      const network = await walls(spec)
      return launchInTurn(berthOf(spec, network))
    },
    async replace(spec, gateway, goesDown) {
      const network = await walls(spec)
      const container = docker.getContainer(gateway.containerId)
      const { Config, Image } = await container.inspect()
      const specHash = labels.specHash(Config.Labels)
      const old = { container, specHash, image: Image, gateway }
      return updates.replace(berthOf(spec, network), old, goesDown)
    },
    async end(assistantId, gateway, { seconds }) {
      const all = await docker.listContainers({ all: true, filters: labels.filter(assistantId) })
      for (const { Id } of all) await orClosing(removeContainer(docker.getContainer(Id), seconds))
      await gateway?.release()
      await networks.remove(assistantId)
    },
  }
}

/** A host with fewer processors, or more in use than the memory that is given: nothing is changed then. */
const limitsRefused = (error: unknown): AgentError | undefined =>
  (refusal(error) === 400 && /cpus|memory/i.test(words(error))) || /set memory limit/i.test(words(error))
    ? new AgentError('limits_refused', 'This host cannot give the assistant these limits.', { cause: error })
    : undefined
