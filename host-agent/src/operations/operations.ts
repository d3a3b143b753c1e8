import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type OperationEvent, OperationKind, type StartOperation } from '@yourclaw/proto/host/v1'
import type { Logger } from 'pino'
import { AgentError } from '../errors.ts'
import { chunkBytes, handOver } from '../link/hand-over.ts'
import type { LiveSession } from '../relay/relay.ts'
import type { Archive } from '../runtime/archive.ts'
import { isPlainId } from '../runtime/runtime.ts'

/** What the control plane must know of an agent to give it operations. */
export const operationsCapability = 'operations'

export interface Operations {
  /** Does it and hands over what comes of it; the same one again begins anew. Never throws. */
  start(start: StartOperation, session: LiveSession): void
  /** Gives up what runs; what it leaves behind, the next agent removes. */
  stop(): void
}

/**
 * Operations are done once, for the session that asked: when the link breaks or the deadline passes, what was made is
 * thrown away, and the next session asks again. So nothing of them outlives the agent.
 */
export async function createOperations(deps: {
  archive: (assistantId: string, destinationFile: string) => Promise<Archive>
  /** For files on their way; emptied at the start, for what an agent that died left there. */
  dir: string
  log: Logger
}): Promise<Operations> {
  const { archive, dir, log } = deps
  await rm(dir, { recursive: true, force: true })
  const running = new Map<string, { abort: AbortController; done: Promise<void> }>()

  async function* archiveEvents(assistantId: string, file: string): AsyncGenerator<OperationEvent['body']> {
    const { bytes, sha256 } = await archive(assistantId, file)
    for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes })) {
      yield { $case: 'chunk', chunk }
    }
    yield { $case: 'done', done: { bytes: BigInt(bytes), sha256 } }
  }
  async function* eventsOf(start: StartOperation, file: string): AsyncGenerator<OperationEvent['body']> {
    try {
      if (start.kind !== OperationKind.OPERATION_KIND_ARCHIVE)
        throw new AgentError('operation_unsupported', 'This agent does not know that operation.')
      yield* archiveEvents(start.assistantId, file)
    } catch (error) {
      const known = error instanceof AgentError ? error : undefined
      if (known === undefined) log.error({ err: error }, 'operation failed')
      const { code = 'operation_failed', detail = 'The operation failed on the host.' } = known ?? {}
      yield { $case: 'failed', failed: { cause: { code, detail } } }
    }
  }
  async function run(start: StartOperation, session: LiveSession, signal: AbortSignal): Promise<void> {
    const file = join(dir, start.operationId)
    async function* events(): AsyncGenerator<OperationEvent> {
      const open = { operationId: start.operationId, sessionEpoch: session.epoch }
      yield { body: { $case: 'open', open } }
      for await (const body of eventsOf(start, file)) yield { body }
    }
    try {
      await handOver({
        call: session.client.runOperation(),
        events: events(),
        resultOf: ({ body }) => (body?.$case === 'stored' ? true : undefined),
        signal,
      })
    } finally {
      await rm(file, { force: true })
    }
  }

  return {
    start(start, session) {
      const { operationId } = start
      // It becomes the name of a file.
      if (!isPlainId(operationId)) return
      const earlier = running.get(operationId)
      earlier?.abort.abort()
      const abort = new AbortController()
      const deadline = AbortSignal.timeout(Math.max(0, Number(start.deadlineUnixMs) - Date.now()))
      const signal = AbortSignal.any([abort.signal, session.ended, deadline])
      const done = Promise.resolve(earlier?.done)
        .then(() => run(start, session, signal))
        .catch((err: unknown) => log.warn({ err, operationId }, 'operation not handed over'))
        .finally(() => {
          if (running.get(operationId)?.done === done) running.delete(operationId)
        })
      running.set(operationId, { abort, done })
    },
    stop() {
      for (const { abort } of running.values()) abort.abort()
    },
  }
}
