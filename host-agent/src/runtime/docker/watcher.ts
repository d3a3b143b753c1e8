import type Docker from 'dockerode'
import type { Logger } from 'pino'
import { z } from 'zod'
import { createBackoff, pause } from '../../backoff.ts'
import type { Cause } from '../runtime.ts'
import { unlessGone } from './errors.ts'
import type { Labels } from './labels.ts'

export interface Watcher {
  /** Resolves when a container has ended. */
  ended(containerId: string): Promise<Cause>
  close(): Promise<void>
}

/** A lost event is found by the next sweep. */
const sweepIntervalMs = 30_000

const event = z.object({ Action: z.string(), Actor: z.object({ ID: z.string() }) })

/** One JSON object a line. */
async function* events(stream: NodeJS.ReadableStream) {
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield event.parse(JSON.parse(line))
  }
}

/**
 * Knows when containers end: from Docker's events while the stream stands, and by looking at each container every
 * half a minute and whenever the stream begins anew. While the engine is away nothing has ended; it is asked when it is back.
 */
export function createWatcher({
  docker,
  labels,
  log,
  swept,
}: {
  docker: Docker
  labels: Labels
  log: Logger
  /** Called with every sweep, and so after every restart of the engine. */
  swept: () => Promise<void>
}): Watcher {
  const watched = new Map<string, { ended: Promise<Cause>; resolve: (ending: Cause) => void }>()
  const closing = new AbortController()

  async function look(containerId: string): Promise<void> {
    const waiting = watched.get(containerId)
    if (!waiting) return
    const found = await unlessGone(docker.getContainer(containerId).inspect())
    if (found?.State.Running) return
    watched.delete(containerId)
    waiting.resolve(endingOf(found?.State))
  }

  async function sweep(): Promise<void> {
    for (const containerId of watched.keys()) await look(containerId)
    await swept()
  }

  /** Ends when the stream does. */
  async function follow(): Promise<void> {
    const filters = { ...labels.filter(), type: ['container' as const], event: ['die', 'oom', 'destroy'] }
    const stream = await docker.getEvents({ filters })
    const stop = () => 'destroy' in stream && typeof stream.destroy === 'function' && stream.destroy()
    closing.signal.addEventListener('abort', stop)
    try {
      await sweep()
      for await (const { Action, Actor } of events(stream)) {
        // A tool may die of it while the assistant lives on.
        if (Action === 'oom') log.warn({ containerId: Actor.ID }, 'a container ran out of memory')
        else await look(Actor.ID)
      }
    } finally {
      closing.signal.removeEventListener('abort', stop)
      stop()
    }
  }

  async function keepFollowing(): Promise<void> {
    const backoff = createBackoff({ baseMs: 200, maxMs: 2_000 })
    while (!closing.signal.aborted) {
      const startedAt = Date.now()
      try {
        await follow()
      } catch (error) {
        if (!closing.signal.aborted) log.warn({ err: error }, 'Docker’s events are not heard')
      }
      if (Date.now() - startedAt > sweepIntervalMs) backoff.reset()
      await pause(backoff.nextMs(), closing.signal)
    }
  }

  async function keepSweeping(): Promise<void> {
    while (!closing.signal.aborted) {
      await pause(sweepIntervalMs, closing.signal)
      if (closing.signal.aborted) return
      // An engine that is away is told of by the stream's end.
      await sweep().catch((error: unknown) => log.debug({ err: error }, 'sweep failed'))
    }
  }

  const loops = Promise.all([keepFollowing(), keepSweeping()])
  return {
    async ended(containerId) {
      const known = watched.get(containerId)
      if (known) return known.ended
      const { promise, resolve } = Promise.withResolvers<Cause>()
      watched.set(containerId, { ended: promise, resolve })
      // It may have ended before anybody watched.
      await look(containerId).catch(() => {})
      return promise
    },
    async close() {
      closing.abort()
      await loops
    },
  }
}

function endingOf(state: { OOMKilled: boolean; ExitCode: number } | undefined): Cause {
  if (!state) return { code: 'container_gone', detail: 'Its container was removed.' }
  if (state.OOMKilled) return { code: 'out_of_memory', detail: 'It needed more memory than it may use.' }
  if (state.ExitCode === 137) return { code: 'killed', detail: 'Its gateway was killed.' }
  return { code: 'exited', detail: `Its gateway ended with exit code ${state.ExitCode}.` }
}
