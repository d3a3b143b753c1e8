import { createReadStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import { AgentError } from '../../errors.ts'
import { archiveFolders, restoreFolders } from '../archive.ts'
import { diskUsed } from '../disk.ts'
import { placeFile } from '../place-file.ts'
import type { Runtime } from '../runtime.ts'
import { sessionKey } from '../session-key.ts'
import { fakeConversation } from './conversation.ts'
import { type FakeFaults, type FakeGateway, startFakeGateway } from './gateway.ts'

/** Assistants as small gateways inside the agent: the whole path of a turn, with no agent framework in between. */
export function createFakeRuntime(input: {
  dataDir: string
  modelGatewayUrl: string
  faults?: FakeFaults
}): Runtime {
  const faults = input.faults ?? {}
  const gateways = new Map<string, FakeGateway>()
  let exited: (assistantId: string) => void = () => {}

  async function stop(assistantId: string): Promise<void> {
    const gateway = gateways.get(assistantId)
    gateways.delete(assistantId)
    await gateway?.close()
  }

  async function start(spec: AssistantSpec): Promise<FakeGateway> {
    const configDir = join(input.dataDir, spec.userId, 'config')
    await mkdir(configDir, { recursive: true, mode: 0o700 })
    await mkdir(join(input.dataDir, spec.userId, 'workspace'), { recursive: true, mode: 0o700 })
    return startFakeGateway({
      spec,
      configDir,
      modelGatewayUrl: input.modelGatewayUrl,
      faults,
      crashed: () => void stop(spec.assistantId).then(() => exited(spec.assistantId)),
    })
  }

  return {
    name: 'fake',
    async start(spec, goesDown) {
      if (faults.failStart) throw new AgentError('start_failed', 'The assistant did not come up.')
      const before = gateways.get(spec.assistantId)
      if (before && before.spec.restartCount !== spec.restartCount) {
        goesDown?.()
        await stop(spec.assistantId)
      }
      const gateway = gateways.get(spec.assistantId) ?? (await start(spec))
      gateway.spec = spec
      gateways.set(spec.assistantId, gateway)
      return { containerId: `fake-${spec.userId}`, url: gateway.url }
    },
    async apply(spec) {
      const gateway = gateways.get(spec.assistantId)
      if (gateway) gateway.spec = spec
    },
    stop,
    async erase(spec) {
      await stop(spec.assistantId)
      await rm(join(input.dataDir, spec.userId), { recursive: true, force: true })
    },
    conversation: ({ userId, assistantId }, conversation) =>
      fakeConversation(join(input.dataDir, userId, 'config'), sessionKey(assistantId, conversation)),
    placeFile: ({ userId }, path, sourceFile) =>
      placeFile(join(input.dataDir, userId, 'workspace'), path, createReadStream(sourceFile)),
    archiveState: ({ userId }, destinationFile) =>
      archiveFolders(join(input.dataDir, userId), destinationFile),
    diskUsed: ({ userId }) => diskUsed(join(input.dataDir, userId)),
    async restoreState({ assistantId, userId }, sourceFile, sha256) {
      await stop(assistantId)
      await restoreFolders(join(input.dataDir, userId), sourceFile, sha256)
    },
    // Its assistants live and die with the agent.
    leftRunning: async () => [],
    onExit(listener) {
      exited = listener
    },
    async close() {
      await Promise.all([...gateways.keys()].map(stop))
    },
  }
}
