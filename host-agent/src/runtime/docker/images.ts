import type Docker from 'dockerode'
import type { Logger } from 'pino'
import { AgentError } from '../../errors.ts'
import { refusal, unlessGone, words } from './errors.ts'

/** An image is a gigabyte or two. */
const pullDeadlineMs = 15 * 60_000

const missing = (cause?: unknown) =>
  new AgentError('image_missing', 'This host does not have the assistant’s image.', { cause })
const unavailable = (cause: unknown) =>
  new AgentError('image_unavailable', 'The assistant’s image could not be fetched from its registry.', {
    cause,
    retryable: true,
  })

/**
 * Images of this host. What it lacks is pulled when it is named by its digest, so that nobody can put another in its
 * place (S9); by its tag, or by the id of an image that was loaded, it has to be there.
 */
export function createImages({ docker, log }: { docker: Docker; log: Logger }) {
  const pulls = new Map<string, Promise<void>>()

  async function pull(image: string): Promise<void> {
    log.info({ image }, 'pulling an image')
    let stream: NodeJS.ReadableStream & { destroy?: (error: Error) => void }
    try {
      stream = await docker.pull(image)
    } catch (error) {
      // Engines before 23 say it with a 500.
      const isUnknown = refusal(error) === 404 || /manifest unknown/i.test(String(error))
      throw isUnknown ? missing(error) : unavailable(error)
    }
    const timer = setTimeout(() => stream.destroy?.(new Error('the pull took too long')), pullDeadlineMs)
    try {
      await new Promise<void>((resolve, reject) =>
        docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve())),
      )
    } catch (error) {
      if (/no space left/i.test(String(error) + words(error)))
        throw new AgentError('disk_full', 'The disk of this host is full.', { cause: error })
      throw unavailable(error)
    } finally {
      clearTimeout(timer)
    }
    log.info({ image }, 'pulled an image')
  }

  const find = async (image: string) => (await unlessGone(docker.getImage(image).inspect()))?.Id

  return {
    /** Its id, when it is here. */
    find,
    /** Resolves with its id once it is here. Throws image_missing, image_unavailable, disk_full, or what Docker says. */
    async ensure(image: string): Promise<string> {
      const id = await find(image)
      if (id !== undefined) return id
      if (!image.includes('@sha256:')) throw missing()
      // Many assistants may want it at once, and each has its own to wait for: nobody waits in a queue of starts.
      const pulling = pulls.get(image) ?? pull(image).finally(() => pulls.delete(image))
      pulls.set(image, pulling)
      await pulling
      return (await docker.getImage(image).inspect()).Id
    },
  }
}

export type Images = ReturnType<typeof createImages>

/** Docker's 404 at a creation: it was taken away a moment ago. */
export const imageMissing = (error: unknown): AgentError | undefined =>
  refusal(error) === 404 ? missing(error) : undefined
