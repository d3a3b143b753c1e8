import Docker from 'dockerode'
import { type Check, findingsOf, wordsOf } from './finding.ts'

const { ok, warning, problem } = findingsOf('docker')

/** The engine answers, knows limits, and has the assistants' image. */
export function checkDocker(image: string): Check {
  return async () => {
    const docker = new Docker({ timeout: 5_000 })
    let info: { ServerVersion?: string; MemoryLimit?: boolean; PidsLimit?: boolean; CpuCfsQuota?: boolean }
    try {
      info = await docker.info()
    } catch (error) {
      const denied = (error as NodeJS.ErrnoException).code === 'EACCES'
      return [
        problem(
          denied
            ? 'Docker may not be used by this login.\nRun it as root, or as the agent’s user.'
            : `The Docker Engine does not answer: ${wordsOf(error)}\nLook at: systemctl status docker`,
        ),
      ]
    }
    const lacking = [
      !info.MemoryLimit && 'memory',
      !info.CpuCfsQuota && 'CPU',
      !info.PidsLimit && 'processes',
    ].filter((limit) => limit !== false)
    const findings =
      lacking.length > 0
        ? [problem(`This kernel lets Docker set no limit on ${lacking.join(', ')}.\nLook at: docker info`)]
        : [ok(`Docker Engine ${info.ServerVersion} answers.`)]
    const present = await docker
      .getImage(image)
      .inspect()
      .then(
        () => true,
        () => false,
      )
    if (!present) {
      findings.push(
        image.includes('@sha256:')
          ? ok(`The image ${image} is not on this host; the first assistant brings it.`)
          : warning(
              `The image ${image} is not on this host.\nLoad it: only what is named by its digest is pulled.`,
            ),
      )
    }
    return findings
  }
}
