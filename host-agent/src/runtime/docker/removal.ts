import { resolve } from 'node:path'
import Docker, { type Container } from 'dockerode'
import { tolerating } from './errors.ts'
import { createLabels } from './labels.ts'

/** For what nobody needs any more. */
export const briefSeconds = 10

/** Lets it end, at most that long, and removes it. That it ended before, is gone or is being removed (304, 404, 409) is fine. */
export async function removeContainer(container: Container, seconds: number): Promise<void> {
  await stopContainer(container, seconds)
  await tolerating([404, 409], container.remove({ force: true, v: true }))
}

export const stopContainer = (container: Container, seconds: number) =>
  tolerating([304, 404], container.stop({ t: seconds }))

/** Removes every container and network that an agent made for this data folder; the data stays. */
export async function removeAssistants(dataDir: string): Promise<void> {
  const docker = new Docker()
  const filters = createLabels(resolve(dataDir)).filter()
  const containers = await docker.listContainers({ all: true, filters })
  await Promise.all(containers.map(({ Id }) => removeContainer(docker.getContainer(Id), briefSeconds)))
  const networks = await docker.listNetworks({ filters })
  for (const { Id } of networks) await tolerating([404], docker.getNetwork(Id).remove())
}
