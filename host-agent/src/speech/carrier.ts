import { createReadStream } from 'node:fs'
import { type ServiceError, status } from '@grpc/grpc-js'
import type { HandOverControl, HandOverEvent } from '@yourclaw/proto/host/v1'
import type { Logger } from 'pino'
import { createBackoff, pause } from '../backoff.ts'
import { chunkBytes, handOver } from '../link/hand-over.ts'
import type { LiveSession } from '../relay/relay.ts'
import type { Outcome, Spoken, Spool } from './spool.ts'

/** What the control plane must know of itself to be handed messages. */
export const handOverCapability = 'hand-over'

/** Assistants whose messages are on their way at once: one with large files keeps few others waiting. */
const maxAtOnce = 4

export interface Carrier {
  /** Takes what waits to this session's control plane, and what is added, until the session ends. */
  connect(session: LiveSession): void
  /** There is something new. */
  wake(): void
  /** Resolves with what became of a message; with undefined when that is not known within `ms`. */
  outcome(id: string, ms: number): Promise<Outcome | undefined>
}

/**
 * Brings messages to the control plane: those of one assistant one after the other, in their order, each until it is
 * stored or refused. What breaks is tried again, on this session or the next.
 */
export function createCarrier(deps: {
  spool: Spool
  settled: (spoken: Spoken, outcome: Outcome) => void
  log: Logger
}): Carrier {
  const { spool, log } = deps
  const waiters = new Map<string, Set<(outcome: Outcome) => void>>()
  let session: LiveSession | undefined
  /** Assistants of which a message is on its way. */
  const busy = new Set<string>()

  function pump(): void {
    const to = session
    if (!to || to.ended.aborted) return
    for (const spoken of spool.waiting()) {
      if (busy.size >= maxAtOnce) return
      if (busy.has(spoken.assistantId)) continue
      busy.add(spoken.assistantId)
      void carry(spoken, to).finally(() => {
        busy.delete(spoken.assistantId)
        pump()
      })
    }
  }

  /** Ends when it is settled, or this session is over for it. */
  async function carry(spoken: Spoken, to: LiveSession): Promise<void> {
    const backoff = createBackoff({ baseMs: 500, maxMs: 10_000 })
    while (!to.ended.aborted) {
      try {
        const outcome = await handOver({
          call: to.client.handOver(),
          events: eventsOf(spoken, to.epoch),
          resultOf,
          signal: to.ended,
        })
        return await settle(spoken, outcome)
      } catch (error) {
        if (to.ended.aborted) return
        log.warn({ err: error, messageId: spoken.id }, 'message not handed over')
        if (isOver(error)) {
          if (session === to) session = undefined
          return
        }
        await pause(backoff.nextMs(), to.ended)
      }
    }
  }

  async function settle(spoken: Spoken, outcome: Outcome): Promise<void> {
    await spool.settle(spoken.id, outcome)
    deps.settled(spoken, outcome)
    for (const wait of waiters.get(spoken.id) ?? []) wait(outcome)
    waiters.delete(spoken.id)
  }

  return {
    connect(to) {
      if (!to.capabilities.includes(handOverCapability)) return
      session = to
      pump()
    },
    wake: pump,
    async outcome(id, ms) {
      const { promise, resolve } = Promise.withResolvers<Outcome | undefined>()
      const own = waiters.get(id) ?? new Set()
      waiters.set(id, own.add(resolve))
      const timer = setTimeout(() => resolve(undefined), ms)
      try {
        return await promise
      } finally {
        clearTimeout(timer)
        own.delete(resolve)
        if (own.size === 0) waiters.delete(id)
      }
    },
  }
}

async function* eventsOf(spoken: Spoken, sessionEpoch: bigint): AsyncGenerator<HandOverEvent> {
  const { id: messageId, assistantId, text, turnId, traceParent } = spoken
  const file = spoken.file && { name: spoken.file.name, bytes: BigInt(spoken.file.bytes) }
  const open = { messageId, assistantId, sessionEpoch, text, turnId, traceParent, file }
  yield { body: { $case: 'open', open } }
  if (spoken.file) {
    const stream = createReadStream(spoken.file.path, { highWaterMark: chunkBytes })
    for await (const chunk of stream) yield { body: { $case: 'chunk', chunk } }
  }
  yield { body: { $case: 'done', done: { sha256: spoken.file?.sha256 ?? '' } } }
}

function resultOf({ body }: HandOverControl): Outcome | undefined {
  switch (body?.$case) {
    case 'stored':
      return { state: 'stored' }
    case 'refused': {
      const { code = 'refused', detail = 'The message was not taken.' } = body.refused.cause ?? {}
      return { state: 'refused', code, detail }
    }
    case undefined:
      return undefined
  }
}

/** A newer session took over, or this control plane does not know the call: the next session is another matter. */
function isOver(error: unknown): boolean {
  const code = (error as Partial<ServiceError>).code
  return code === status.FAILED_PRECONDITION || code === status.UNIMPLEMENTED
}
