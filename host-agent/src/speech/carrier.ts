import { createReadStream } from 'node:fs'
import { type ServiceError, status } from '@grpc/grpc-js'
import type { HandOverControl, HandOverEvent } from '@yourclaw/proto/host/v1'
import type { Logger } from 'pino'
import { pause } from '../backoff.ts'
import { chunkBytes, handOver } from '../link/hand-over.ts'
import type { LiveSession } from '../relay/relay.ts'
import { createLines, type Line } from './lines.ts'
import type { Outcome, Spoken, Spool } from './spool.ts'
import { createStall } from './stall.ts'

/** What the control plane must know of itself to be handed messages. */
export const handOverCapability = 'hand-over'

/**
 * Messages on their way at once, each of another assistant. Large files, and whatever did not get through the last time,
 * have some of these places only: one sick assistant, or many, leave room for the others (F8). Of what failed, files and
 * texts have a place each, as a file may need hours.
 */
const places = { all: 4, withFiles: 2, failing: 1 }
/** What stands still for longer is begun again later: a piece of a file, and what is said whole until it is stored. */
const stillMs = { text: 15_000, piece: 60_000, file: 5 * 60_000 }

export interface Carrier {
  /** Takes what waits to this session's control plane, and what is added, until the session ends. */
  connect(session: LiveSession): void
  /** There is something new. */
  wake(): void
  /** Whatever of this turn is on its way: the control plane is asked again whether it is wanted. */
  interrupt(turnId: string): void
  /** Resolves with what became of a message; with undefined when that is not known within `ms`. */
  outcome(id: string, ms: number): Promise<Outcome | undefined>
}

interface Carried {
  spoken: Spoken
  isFailing: boolean
  /** Aborted: once more, from its beginning. */
  interrupted: AbortController
}

/**
 * Brings messages to the control plane: those of one assistant one after the other, in their order, each until it is
 * stored or refused. What breaks gives its place up and is tried again, on this session or the next. Who had a place the
 * longest ago is next.
 */
export function createCarrier(deps: {
  spool: Spool
  settled: (spoken: Spoken, outcome: Outcome) => void
  log: Logger
}): Carrier {
  const { spool, log } = deps
  const waiters = new Map<string, Set<(outcome: Outcome) => void>>()
  let session: LiveSession | undefined
  const lines = createLines()
  /** By assistant. */
  const busy = new Map<string, Carried>()

  function pump(): void {
    const to = session
    if (!to || to.ended.aborted) return
    for (const { spoken, line } of lines.inTurn(spool.waiting())) {
      if (line.isResting || busy.has(spoken.assistantId) || !hasPlace(spoken, line)) continue
      lines.serve(line)
      const { isFailing } = line
      const carried: Carried = { spoken, isFailing, interrupted: new AbortController() }
      busy.set(spoken.assistantId, carried)
      void carry(carried, line, to).finally(() => {
        busy.delete(spoken.assistantId)
        pump()
      })
    }
  }

  function hasPlace({ file }: Spoken, { isFailing }: Line): boolean {
    const taken = [...busy.values()]
    const count = (is: (one: Carried) => boolean) => taken.filter(is).length
    return (
      taken.length < places.all &&
      (!file || count(({ spoken }) => spoken.file !== undefined) < places.withFiles) &&
      (!isFailing ||
        count((one) => one.isFailing && (one.spoken.file === undefined) === (file === undefined)) <
          places.failing)
    )
  }

  /** One attempt. */
  async function carry({ spoken, interrupted }: Carried, line: Line, to: LiveSession): Promise<void> {
    const stall = createStall(spoken.file ? stillMs.piece : stillMs.text)
    try {
      const outcome = await handOver({
        call: to.client.handOver(),
        events: eventsOf(spoken, to.epoch, stall.moved),
        resultOf,
        signal: AbortSignal.any([to.ended, interrupted.signal, stall.signal]),
      })
      await settle(spoken, outcome)
      line.isFailing = false
      line.backoff.reset()
    } catch (error) {
      if (to.ended.aborted || interrupted.signal.aborted) return
      log.warn({ err: error, messageId: spoken.id }, 'message not handed over')
      if (isOver(error)) {
        if (session === to) session = undefined
        return
      }
      rest(line, to)
    } finally {
      stall.stop()
    }
  }

  function rest(line: Line, to: LiveSession): void {
    line.isFailing = true
    line.isResting = true
    void pause(line.backoff.nextMs(), to.ended).then(() => {
      line.isResting = false
      pump()
    })
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
    interrupt(turnId) {
      for (const { spoken, interrupted } of busy.values())
        if (spoken.turnId === turnId) interrupted.abort(new Error('the turn was stopped'))
    },
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

/** Tells `moved` of each piece that was taken, and how long the next may need. */
async function* eventsOf(
  spoken: Spoken,
  sessionEpoch: bigint,
  moved: (nextMs: number) => void,
): AsyncGenerator<HandOverEvent> {
  const { id: messageId, assistantId, text, turnId, traceParent } = spoken
  const file = spoken.file && { name: spoken.file.name, bytes: BigInt(spoken.file.bytes) }
  const open = { messageId, assistantId, sessionEpoch, text, turnId, traceParent, file }
  yield { body: { $case: 'open', open } }
  if (spoken.file) {
    const stream = createReadStream(spoken.file.path, { highWaterMark: chunkBytes })
    for await (const chunk of stream) {
      yield { body: { $case: 'chunk', chunk } }
      moved(stillMs.piece)
    }
    moved(stillMs.file)
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
