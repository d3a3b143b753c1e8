import { resolve } from 'node:path'
import Docker, { type Container } from 'dockerode'
import { tolerating } from './errors.ts'
import { createLabels } from './labels.ts'

/** OpenClaw finishes a running turn first; one that takes longer is cut off and taken up again (M15). */
const stopDeadlineSeconds = 60

/** Lets it end, and removes it. That it ended before, is gone or is being removed (304, 404, 409) is fine. */
export async function removeContainer(container: Container): Promise<void> {
  await tolerating([304, 404], container.stop({ t: stopDeadlineSeconds }))
  await tolerating([404, 409], container.remove({ force: true, v: true }))
}

/** Removes every container and network that an agent made for this data folder; the data stays. */
export async function removeAssistants(dataDir: string): Promise<void> {
  const docker = new Docker()
  const filters = createLabels(resolve(dataDir)).filter()
  const containers = await docker.listContainers({ all: true, filters })
  await Promise.all(containers.map(({ Id }) => removeContainer(docker.getContainer(Id))))
  const networks = await docker.listNetworks({ filters })
  for (const { Id } of networks) await tolerating([404], docker.getNetwork(Id).remove())
}
