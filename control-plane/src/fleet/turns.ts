import type { StartTurn } from '@yourclaw/proto/host/v1'
import { forbidden, ServiceError, staleEpoch } from '../errors.ts'
import type { PartialAnswer } from '../services/conversation/keep-partials.ts'
import type { ClaimedTurn, FleetDeps, TurnInputMessages, TurnPlaces } from './deps.ts'
import { announcedInput, turnInputCapability } from './turn-input.ts'

/*
 * The turns of one host session, each:
 *   ANNOUNCED  StartTurn was sent; announced again when no stream opens within announceMs
 *   OPEN       its RunTurn stream is open; back to ANNOUNCED when it breaks
 *   BACKOFF    the attempt failed; announced with the next attempt after the wait
 * and gone from here once finished or failed for good.
 */
interface HeldTurn extends ClaimedTurn {
  phase: 'ANNOUNCED' | 'OPEN' | 'BACKOFF'
  announcedAtMs: number
  retry?: NodeJS.Timeout
}

const announceMs = 30_000
/** Whoever holds an assistant's lock lets go of it within some milliseconds, and need not tell us. */
const passedOverMs = 100

/** How many turns a session holds is bounded, so a host is never handed more than it may run at once. */
export interface SessionTurns extends TurnPlaces {
  /** Claims what fits and announces it. */
  pump(): Promise<void>
  /** Passes on which turns somebody wants stopped. */
  stop(): Promise<void>
  /** Takes over the host's running turns, and lets the agent forget the rest of what it holds. */
  adopt(heldTurnIds: string[]): Promise<void>
  /** Announces again what the agent did not open, and takes up what was claimed and not heard of. */
  sweep(): Promise<void>
  /** Opens a turn's stream; throws for a turn that is not this session's, or for another attempt. */
  open(turnId: string, attempt: number): ClaimedTurn
  /** All that was streamed of its answer so far. */
  streamed(turnId: string, text: string): void
  /** What was streamed last, by this attempt or, as long as that has no words, by one before. */
  partialOf(turnId: string): string
  finished(turnId: string): void
  failed(turnId: string, next: { retryAfterMs: number | null; attempt: number }): void
  /** The stream ended without a result: the agent may still hold one. */
  broken(turnId: string): void
  /** Returns what is there of the answers that are being written. */
  close(): PartialAnswer[]
}

export function sessionTurns(
  deps: FleetDeps,
  session: { hostId: string; epoch: bigint; capabilities: string[] },
  send: (turn: StartTurn) => Promise<void>,
  sendCancel: (turnId: string, forget: boolean) => Promise<void>,
): SessionTurns {
  const { ctx, conversation } = deps
  const input = { hostId: session.hostId, sessionEpoch: session.epoch }
  const takesInput = session.capabilities.includes(turnInputCapability)
  const held = new Map<string, HeldTurn>()
  /** They run under this session and were not held when the last sweep looked: the word of their commit was lost. */
  let strays = new Set<string>()
  /** They were held and did not run any more when the last sweep looked: somebody else ended them. */
  let ended = new Set<string>()
  /** Places for what is being claimed elsewhere. */
  let reserved = 0
  /** Stops were looked for while something was being claimed elsewhere, which may have to be stopped. */
  let stopAgain = false
  let closed = false
  let pumping: Promise<void> | null = null
  let again = false
  let lookAgain: NodeJS.Timeout | undefined

  /**
   * `claimed` = its input, with the first word of a claim alone, which nothing of the turn can have gone before: a word
   * that comes late, when the turn is over and forgotten, must not make the agent run it once more (M15).
   */
  const announce = async (turn: HeldTurn, claimed?: TurnInputMessages) => {
    if (closed) return
    turn.phase = 'ANNOUNCED'
    turn.announcedAtMs = ctx.clock.now()
    await send({
      turnId: turn.turnId,
      assistantId: turn.assistantId,
      attempt: turn.attempt,
      conversation: turn.conversation,
      traceParent: turn.traceParent ?? '',
      input: takesInput && claimed ? announcedInput(claimed, turn.announcedAtMs) : undefined,
    })
  }
  const hold = async (turns: ClaimedTurn[]) => {
    const announcedAtMs = ctx.clock.now()
    const entries = turns.map((turn): HeldTurn => ({ ...turn, phase: 'ANNOUNCED', announcedAtMs }))
    for (const entry of entries) held.set(entry.turnId, entry)
    // Asked for in one go, so that no stop overtakes a turn that it is about.
    await Promise.all(entries.map((entry) => announce(entry, entry.input)))
  }
  const freePlaces = () => Math.max(0, deps.maxTurnsPerHost - held.size - reserved)
  const claim = async () => {
    do {
      again = false
      const limit = freePlaces()
      if (limit > 0 && !closed) {
        const { turns, passedOver } = await conversation.claimTurns({ ctx, input: { ...input, limit } })
        await hold(turns)
        if (passedOver) lookAgain ??= setTimeout(onLookAgain, passedOverMs)
      }
    } while (again && !closed)
  }
  const pump = (): Promise<void> => {
    again = true
    pumping ??= claim().finally(() => {
      pumping = null
      // Asked for when the last look had just ended, or had failed.
      return again && !closed ? pump() : undefined
    })
    return pumping
  }
  const stop = async () => {
    // What is being claimed is held in a moment.
    await pumping?.catch(() => {})
    stopAgain = reserved > 0
    for (const turnId of await conversation.turnsToStop({ ctx, input })) {
      const turn = held.get(turnId)
      if (!turn || closed) continue
      if (turn.phase === 'BACKOFF') await stopBetween(turn)
      else await sendCancel(turnId, false)
    }
  }
  /** Between two attempts no agent holds it. */
  const stopBetween = async ({ turnId, retry }: HeldTurn) => {
    clearTimeout(retry)
    const code = 'turn_canceled'
    const partialText = partialOf(turnId)
    const ended = { ...input, turnId, code, retryable: false, partialText }
    failed(turnId, await conversation.failTurn({ ctx, input: ended }))
  }
  const takeUpStrays = async () => {
    const before = [...held.keys()]
    const running = await conversation.runningTurns({ ctx, input })
    await letGoOf(before.filter((turnId) => !running.includes(turnId)))
    const seen = strays
    strays = new Set(running.filter((turnId) => !held.has(turnId)))
    if (![...strays].some((turnId) => seen.has(turnId))) return
    const turns = await conversation.adoptTurns({ ctx, input })
    await hold(turns.filter(({ turnId }) => seen.has(turnId) && !held.has(turnId)))
  }
  const letGoOf = async (turnIds: string[]) => {
    const seen = ended
    ended = new Set(turnIds)
    for (const turnId of turnIds) {
      const turn = held.get(turnId)
      if (!turn || !seen.has(turnId) || closed) continue
      clearTimeout(turn.retry)
      held.delete(turnId)
      await sendCancel(turnId, true)
    }
  }
  const onLookAgain = () => {
    lookAgain = undefined
    if (!closed) later(pump)
  }
  const later = (work: () => Promise<void>) => {
    work().catch((error: unknown) => {
      if (error instanceof ServiceError) return
      ctx.log.error({ err: error, hostId: session.hostId }, 'turns could not be announced')
    })
  }
  const announceAfter = (turn: HeldTurn, delayMs: number) => {
    clearTimeout(turn.retry)
    turn.retry = setTimeout(() => later(() => announce(turn)), delayMs)
  }

  const partialOf = (turnId: string) => held.get(turnId)?.partialText ?? ''
  const failed: SessionTurns['failed'] = (turnId, next) => {
    const turn = held.get(turnId)
    if (!turn || closed) return
    if (next.retryAfterMs === null) {
      held.delete(turnId)
      later(pump)
      return
    }
    turn.phase = 'BACKOFF'
    turn.attempt = next.attempt
    announceAfter(turn, next.retryAfterMs)
  }

  return {
    pump,
    stop,
    reserve(most) {
      const places = closed ? 0 : Math.min(most, freePlaces())
      reserved += places
      return {
        places,
        sessionEpoch: session.epoch,
        take(turns) {
          reserved -= places
          // After the end of this session they are the next one's to take over.
          if (turns.length === 0 || closed) return
          later(() => hold(deps.onClaimed(turns)))
          if (stopAgain) later(stop)
        },
      }
    },
    async adopt(heldTurnIds) {
      const adopted = await conversation.adoptTurns({ ctx, input })
      await hold(adopted)
      // What the agent holds and nobody waits for: it was stored, or given up, while the link was cut.
      const wanted = new Set(adopted.map(({ turnId }) => turnId))
      for (const turnId of heldTurnIds) if (!wanted.has(turnId)) await sendCancel(turnId, true)
    },
    async sweep() {
      const late = ctx.clock.now() - announceMs
      for (const turn of held.values()) {
        if (turn.phase === 'ANNOUNCED' && turn.announcedAtMs < late) await announce(turn)
      }
      await takeUpStrays()
      await pump()
      await stop()
    },
    open(turnId, attempt) {
      const turn = held.get(turnId)
      if (!turn) throw forbidden('That turn is not this session’s.', 'turn_not_held')
      if (turn.attempt !== attempt || turn.phase === 'OPEN') throw staleEpoch()
      clearTimeout(turn.retry)
      turn.phase = 'OPEN'
      return turn
    },
    streamed(turnId, text) {
      const turn = held.get(turnId)
      if (turn && text !== '') turn.partialText = text
    },
    partialOf,
    finished(turnId) {
      held.delete(turnId)
      later(pump)
    },
    failed,
    broken(turnId) {
      const turn = held.get(turnId)
      if (!turn || closed || turn.phase !== 'OPEN') return
      turn.phase = 'ANNOUNCED'
      turn.announcedAtMs = ctx.clock.now()
      announceAfter(turn, 1_000)
    },
    close() {
      closed = true
      clearTimeout(lookAgain)
      for (const turn of held.values()) clearTimeout(turn.retry)
      const partials = [...held.values()].flatMap(({ turnId, partialText: text = '' }) =>
        text === '' ? [] : [{ turnId, text }],
      )
      held.clear()
      return partials
    },
  }
}
