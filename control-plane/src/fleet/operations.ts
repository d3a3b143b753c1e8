import type { ServerDuplexStream } from '@grpc/grpc-js'
import {
  type OperationControl,
  type OperationEvent,
  OperationKind,
  type StartOperation,
} from '@yourclaw/proto/host/v1'
import { forbidden, invalidInput, ServiceError, staleEpoch } from '../errors.ts'
import type { ClaimedOperation } from '../services/host-operation/claim-operations.ts'
import type { Incoming } from '../services/host-operation/store-archive.ts'
import type { FleetDeps } from './deps.ts'
import type { Session } from './session.ts'
import { writeTo } from './stream.ts'

/** At once on a host: each reads a whole disk folder. */
const maxAtOnce = 2
const againMs = 1_000
/** What an agent must understand to be given one. */
export const operationsCapability = 'operations'

/** The operations of one host session: claimed, announced, announced again when their stream breaks, until they end. */
export interface SessionOperations {
  pump(): Promise<void>
  /** Throws for an operation that is not this session's. */
  open(operationId: string): ClaimedOperation
  /** It has ended, in whatever way. */
  finished(operationId: string): void
  /** Its stream ended without a result. */
  broken(operationId: string): void
  close(): void
}

export function sessionOperations(
  deps: FleetDeps,
  session: { hostId: string; epoch: bigint; capabilities: string[] },
  send: (operation: StartOperation) => Promise<void>,
): SessionOperations {
  const { ctx, operations } = deps
  const isAble = session.capabilities.includes(operationsCapability)
  const held = new Map<string, ClaimedOperation>()
  const timers = new Set<NodeJS.Timeout>()
  let closed = false

  const announce = (operation: ClaimedOperation) =>
    send({
      operationId: operation.operationId,
      assistantId: operation.assistantId,
      kind: OperationKind.OPERATION_KIND_ARCHIVE,
      deadlineUnixMs: BigInt(operation.deadlineAt.getTime()),
    })
  const pump = async () => {
    if (!isAble || closed) return
    for (const { operationId, deadlineAt } of held.values()) {
      if (deadlineAt.getTime() <= ctx.clock.now()) held.delete(operationId)
    }
    const limit = maxAtOnce - held.size
    if (limit <= 0) return
    const claimed = await operations.claim({ hostId: session.hostId, sessionEpoch: session.epoch, limit })
    for (const operation of claimed) {
      held.set(operation.operationId, operation)
      await announce(operation)
    }
  }
  const later = (work: () => Promise<void>) => {
    work().catch((err: unknown) => {
      if (!(err instanceof ServiceError)) ctx.log.error({ err }, 'operations could not be announced')
    })
  }
  return {
    pump,
    open(operationId) {
      const operation = held.get(operationId)
      if (!operation) throw forbidden('That operation is not this session’s.', 'operation_not_held')
      return operation
    },
    finished(operationId) {
      if (held.delete(operationId)) later(pump)
    },
    broken(operationId) {
      const timer = setTimeout(() => {
        timers.delete(timer)
        const operation = held.get(operationId)
        if (operation && !closed) later(() => announce(operation))
      }, againMs)
      timers.add(timer)
    },
    close() {
      closed = true
      for (const timer of timers) clearTimeout(timer)
      held.clear()
    },
  }
}

type Call = ServerDuplexStream<OperationEvent, OperationControl>

/**
 * Carries one operation: OperationOpen → chunks → OperationDone → OperationStored, or OperationFailed. The next chunk is
 * read when the last one is written, so HTTP/2 flow control holds an agent back that is faster than our disk.
 */
export async function relayOperation(
  deps: FleetDeps,
  call: Call,
  session: Session | undefined,
): Promise<void> {
  const { ctx, operations } = deps
  const events = call[Symbol.asyncIterator]() as AsyncIterator<OperationEvent>
  const first = await events.next()
  const open = first.done ? undefined : first.value.body
  if (open?.$case !== 'open') throw invalidInput('The first message is OperationOpen.')
  if (!session || open.open.sessionEpoch !== session.epoch) throw staleEpoch()
  const { operationId } = open.open
  const { deadlineAt } = session.operations.open(operationId)
  const ended = { operationId, hostId: session.hostId, sessionEpoch: session.epoch }
  const signal = AbortSignal.timeout(Math.max(0, deadlineAt.getTime() - ctx.clock.now()))
  let isOver = false
  try {
    const incoming = incomingFrom(events)
    const result = await operations.store({ operationId, incoming, signal }).catch((error: unknown) => {
      // The agent's own failure and a damaged file are results; whatever else breaks is tried again.
      if (error instanceof AgentFailure) return { errorCode: error.code }
      if (error instanceof ServiceError && error.code === 'archive_damaged') return { errorCode: error.code }
      throw error
    })
    await operations.finish({ ...ended, result })
    isOver = true
    await writeTo(call, { body: { $case: 'stored', stored: {} } })
    ctx.log.info({ operationId, ...('errorCode' in result && { code: result.errorCode }) }, 'operation ended')
  } finally {
    if (isOver) session.operations.finished(operationId)
    else session.operations.broken(operationId)
  }
}

class AgentFailure extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

function incomingFrom(events: AsyncIterator<OperationEvent>): Incoming {
  let expected: { bytes: bigint; sha256: string } | undefined
  async function* chunks() {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      const { body } = next.value
      switch (body?.$case) {
        case 'chunk':
          yield body.chunk
          break
        case 'done':
          expected = body.done
          return
        case 'failed':
          throw new AgentFailure(
            /^[a-z0-9_]{1,60}$/.exec(body.failed.cause?.code ?? '')?.[0] ?? 'operation_failed',
          )
      }
    }
    throw new Error('the stream ended before the file did')
  }
  return {
    chunks: chunks(),
    expected() {
      if (!expected) throw new Error('asked before the end')
      return expected
    },
  }
}
