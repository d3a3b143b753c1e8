import { setImmediate as nextLook } from 'node:timers/promises'
import { type ServiceError, status } from '@grpc/grpc-js'
import {
  type CancelTurn,
  type HeldTurn,
  type HostServiceClient,
  type StartTurn,
  type TurnControl,
  type TurnDone,
  TurnEvent,
  type TurnInput,
} from '@yourclaw/proto/host/v1'
import type { Logger } from 'pino'
import { createBackoff, pause } from '../backoff.ts'
import { AgentError } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import type { Watch } from '../observability/watch.ts'
import type { TurnTarget } from '../reconcile/reconciler.ts'
import type { Conversation } from '../runtime/runtime.ts'
import { sessionKey } from '../runtime/session-key.ts'
import { complete } from './completions.ts'
import { continuation, settle } from './recall.ts'
import { createTurnFiles, type TurnFiles } from './turn-files.ts'
import { openTurnStream, type TurnStream, type TurnView } from './turn-stream.ts'

/** What the control plane must know of an agent to tell it a turn's input with its announcement. */
export const turnInputCapability = 'turn-input'

/** A session that RunTurn streams may be opened on. `ended` aborts when it is over. */
export interface LiveSession {
  epoch: bigint
  client: HostServiceClient
  /** Optional features of the control plane. */
  capabilities: readonly string[]
  ended: AbortSignal
}

export interface Relay {
  startTurn(start: StartTurn, session: LiveSession): void
  /** Stops a turn that runs; a result that nobody wants any more is forgotten. */
  cancelTurn(cancel: CancelTurn): void
  held(): HeldTurn[]
  /** The turn that an assistant answers now. */
  running(assistantId: string): { turnId: string; traceParent: string } | undefined
  /** Resolves when no turn runs and every result is handed over, or after `ms`; then aborts what is left. */
  drain(ms: number): Promise<void>
}

/** Failures of a model call that another attempt may not meet. */
const passing = [
  'rate_limited',
  'provider_down',
  'provider_unreachable',
  'provider_stalled',
  'shared_key_busy',
  'starting',
]

/** waiting: for input. running: the assistant answers. finished: the result is journaled until stored. */
interface Turn extends TurnView {
  turnId: string
  assistantId: string
  /** Which of the assistant's. */
  conversation: number
  attempt: number
  traceParent: string
  state: 'waiting' | 'running' | 'finished'
  abort: AbortController
  stream?: TurnStream
  /** What comes on the stream before its input. */
  files?: TurnFiles
  /** Between streams that break. */
  backoff: ReturnType<typeof createBackoff>
}

/**
 * Runs turns. A turn begins when it has its input, from its announcement or its stream, and then no longer needs the
 * stream: it goes on while the link is cut, and whatever stream is opened for the same attempt shows it or hands over
 * its result.
 */
export function createRelay(deps: {
  journal: Journal
  /** Waits for an assistant that is on its way up. */
  target: (assistantId: string, signal: AbortSignal) => Promise<TurnTarget>
  conversation: (assistantId: string, conversation: number) => Conversation
  /** Writes a copy of a file into an assistant's workspace. */
  placeFile: (assistantId: string, path: string, sourceFile: string) => Promise<void>
  /** Where files of turns are kept until they are placed; whatever is in it is of an earlier life. */
  filesDir: string
  watch: Watch['turn']
  /** Why the assistant's last model call since then came to nothing; absent = nobody knows. */
  modelFailure?: (assistantId: string, sinceMs: number) => { code: string; detail: string } | undefined
  log: Logger
  now?: () => number
}): Relay {
  const { journal, log } = deps
  const now = deps.now ?? Date.now
  const turns = new Map<string, Turn>()
  let draining: (() => void) | undefined

  /** `input` = what came with the announcement: enough for a conversation that exists. */
  async function attach(turn: Turn, session: LiveSession, input?: TurnInput): Promise<void> {
    const conversationExists = turn.state !== 'waiting' || (await remembers(turn))
    if (session.ended.aborted || turns.get(turn.turnId) !== turn) return
    if (input && conversationExists && turn.state === 'waiting') {
      void run(turn, input)
      // The journal goes first: while it waits for its disk, there is time to open the stream.
      for (let looks = 0; looks < 2; looks++) await nextLook()
      if (session.ended.aborted || turns.get(turn.turnId) !== turn || turn.stream) return
    }
    turn.stream?.cancel()
    let files: TurnFiles | undefined
    if (turn.state === 'waiting') {
      // What an earlier stream brought of its files comes again on this one.
      dropFiles(turn)
      files = newFiles(turn)
      turn.files = files
    }
    const stream = openTurnStream({
      call: session.client.runTurn(),
      open: {
        turnId: turn.turnId,
        attempt: turn.attempt,
        sessionEpoch: session.epoch,
        needsInput: turn.state === 'waiting',
        conversationExists,
      },
      view: turn,
      onControl: (control) => onControl(turn, files, control),
      onFailure: (err) => log.error({ turnId: turn.turnId, err }, 'a file of a turn could not be kept'),
      onEnd: (error) => {
        if (turn.stream !== stream) return
        delete turn.stream
        onStreamEnd(turn, session, error)
      },
    })
    turn.stream = stream
  }

  /** An assistant that is not here needs no history: its turn fails. */
  async function remembers({ assistantId, conversation }: Turn): Promise<boolean> {
    try {
      return await deps.conversation(assistantId, conversation).exists()
    } catch (error) {
      if (error instanceof AgentError) return true
      throw error
    }
  }

  const newFiles = ({ turnId }: Turn) =>
    createTurnFiles(deps.filesDir, (err) => log.warn({ turnId, err }, 'a file did not reach the assistant'))

  /** Nothing more is read of the stream until what is returned has settled. */
  function onControl(
    turn: Turn,
    files: TurnFiles | undefined,
    { body }: TurnControl,
  ): Promise<void> | undefined {
    switch (body?.$case) {
      case 'file':
        return files?.begin(body.file)
      case 'fileChunk':
        return files?.write(body.fileChunk)
      case 'input':
        if (turn.state === 'waiting') void run(turn, body.input)
        return undefined
      case 'cancel':
        cancel(turn)
        return undefined
      case 'stored':
        if (turn.state === 'finished') handedOver(turn)
        return undefined
      case undefined:
        return undefined
    }
  }

  /** A turn that still waits is given up with its stream; one that holds something tries again on the same session. */
  function onStreamEnd(turn: Turn, session: LiveSession, error?: ServiceError): void {
    if (turns.get(turn.turnId) !== turn) return
    if (turn.state === 'waiting') {
      forget(turn)
      return
    }
    if (error?.code === status.NOT_FOUND) {
      cancel(turn)
      forget(turn)
      return
    }
    const refused = error?.code === status.FAILED_PRECONDITION || error?.code === status.PERMISSION_DENIED
    if (refused || session.ended.aborted) return
    void pause(turn.backoff.nextMs(), session.ended).then(() => {
      return turn.stream ? undefined : attach(turn, session)
    })
  }

  async function run(turn: Turn, input: TurnInput): Promise<void> {
    turn.state = 'running'
    const startedMs = now()
    const watch = deps.watch(turn)
    const deadline = setTimeout(
      () => turn.abort.abort(new AgentError('turn_deadline', 'The turn took too long.')),
      Math.max(0, Number(input.deadlineUnixMs) - now()),
    )
    try {
      const done = await attempt(turn, input)
      watch.end()
      finish(turn, { $case: 'done', done })
    } catch (error) {
      const known = explained(turn, startedMs, error)
      if (known.code === 'turn_canceled') log.info({ turnId: turn.turnId }, 'turn stopped')
      else log.warn({ turnId: turn.turnId, err: error }, 'turn failed')
      watch.end(known.code)
      finish(turn, failure(known, turn.text))
    } finally {
      clearTimeout(deadline)
      dropFiles(turn)
    }
  }

  function dropFiles(turn: Turn): void {
    turn.files?.discard().catch((err: unknown) => log.warn({ err }, 'files of a turn could not be removed'))
    delete turn.files
  }

  /** What an assistant says about a failed model call is less than its model gateway knows. */
  function explained(turn: Turn, startedMs: number, error: unknown): AgentError {
    const known =
      error instanceof AgentError
        ? error
        : new AgentError('gateway_error', 'The turn failed.', { retryable: true })
    if (!['gateway_error', 'model_error'].includes(known.code)) return known
    const failure = deps.modelFailure?.(turn.assistantId, startedMs)
    if (!failure) return known
    const retryable = passing.includes(failure.code) && known.retryable
    return new AgentError(failure.code, failure.detail, { cause: error, retryable })
  }

  /** Asks the assistant what the conversation does not tell already. */
  async function attempt(turn: Turn, input: TurnInput): Promise<TurnDone> {
    const { turnId, assistantId } = turn
    const { signal } = turn.abort
    const conversation = deps.conversation(assistantId, turn.conversation)
    const mark = journal.mark(turnId) ?? (await conversation.end())
    // What became of it is looked up while the journal waits for its disk; nothing is sent before both are there.
    const looking = deps.target(assistantId, signal).then(async (target) => {
      return { target, found: await settle(conversation, mark, signal) }
    })
    const [{ target, found }] = await Promise.all([looking, journal.begin(turnId, turn.attempt, mark)])
    signal.throwIfAborted()
    if (turn.attempt > 1) log.info({ turnId, attempt: turn.attempt, found: found.state }, 'conversation read')
    if (found.state === 'answered') return { text: found.text, usage: undefined }
    const isNew = found.state !== 'unanswered'
    const files = isNew
      ? await turn.files?.handOver((path, source) => deps.placeFile(assistantId, path, source), signal)
      : undefined
    const { usage } = await complete({
      target,
      sessionKey: sessionKey(assistantId, turn.conversation),
      turn: isNew ? input : continuation(input),
      ...(files && { files }),
      signal,
      onText(text) {
        turn.text += text
        turn.stream?.pump()
      },
    })
    return { text: turn.text, usage }
  }

  /**
   * Journaled before it is shown, so that what somebody saw is not lost with this process. When the journal fails (a
   * full disk), handing the result over now is the best that is left.
   */
  function finish(turn: Turn, body: NonNullable<TurnEvent['body']>): void {
    if (turns.get(turn.turnId) !== turn) return
    turn.result = TurnEvent.create({ body })
    turn.state = 'finished'
    try {
      journal.finish(turn.turnId, turn.attempt, turn.result)
    } catch (error) {
      log.error({ turnId: turn.turnId, err: error }, 'result not journaled')
    }
    turn.stream?.pump()
  }

  function cancel(turn: Turn): void {
    const canceled = new AgentError('turn_canceled', 'The turn was stopped.')
    if (turn.state === 'waiting') {
      finish(turn, failure(canceled, ''))
      dropFiles(turn)
    }
    turn.abort.abort(canceled)
  }

  function handedOver(turn: Turn): void {
    const body = turn.result?.body
    const followed = body?.$case === 'failed' && body.failed.retryable
    forget(turn, followed ? journal.release : journal.forget)
  }

  function forget(turn: Turn, from: (turnId: string) => void = journal.forget): void {
    from(turn.turnId)
    if (turn.state !== 'running') dropFiles(turn)
    if (turns.get(turn.turnId) === turn) turns.delete(turn.turnId)
    if (turns.size === 0) draining?.()
  }

  /** The turn as memory or journal has it; a newer attempt ends an older one. */
  function take(start: StartTurn): Turn | undefined {
    const held = turns.get(start.turnId)
    const journaled = journal.find(start.turnId)
    const known = held?.attempt ?? journaled?.attempt ?? 0
    if (known > start.attempt) return undefined
    if (held && known === start.attempt) return held
    const turn: Turn = {
      turnId: start.turnId,
      assistantId: start.assistantId,
      conversation: start.conversation,
      attempt: start.attempt,
      traceParent: start.traceParent,
      state: 'waiting',
      text: '',
      abort: new AbortController(),
      backoff: createBackoff({ baseMs: 500, maxMs: 10_000 }),
    }
    if (journaled?.result && known === start.attempt) {
      turn.state = 'finished'
      turn.result = journaled.result
    }
    if (held) {
      turns.delete(held.turnId)
      held.stream?.cancel()
      if (held.state !== 'running') dropFiles(held)
      held.abort.abort(new AgentError('turn_canceled', 'A newer attempt took over.'))
    }
    turns.set(turn.turnId, turn)
    return turn
  }

  return {
    startTurn(start, session) {
      const held = turns.has(start.turnId) || journal.find(start.turnId) !== undefined
      if (draining && !held) return
      const turn = take(start)
      if (!turn) return
      const { turnId, attempt } = turn
      log.info({ turnId, attempt, state: turn.state, traceId: start.traceParent.split('-')[1] }, 'turn taken')
      attach(turn, session, start.input).catch((error: unknown) =>
        log.error({ turnId: turn.turnId, err: error }, 'attach failed'),
      )
    },
    cancelTurn({ turnId, forget: unwanted }) {
      const turn = turns.get(turnId)
      if (turn) cancel(turn)
      if (!unwanted) return
      turn?.stream?.cancel()
      if (turn) forget(turn)
      else journal.forget(turnId)
    },
    held: () => journal.held(),
    running: (assistantId) =>
      turns.values().find((turn) => turn.assistantId === assistantId && turn.state === 'running'),
    async drain(ms) {
      const { promise, resolve } = Promise.withResolvers<void>()
      draining = resolve
      for (const turn of [...turns.values()]) {
        if (turn.state === 'waiting') {
          turn.stream?.cancel()
          forget(turn)
        }
        // The journal keeps it until somebody asks; waiting here would be for nobody.
        if (turn.state === 'finished' && !turn.stream) turns.delete(turn.turnId)
      }
      if (turns.size === 0) return
      const timer = setTimeout(resolve, ms)
      await promise
      clearTimeout(timer)
      // Left in the journal as running: the next start of the agent reports it as interrupted, to be tried again.
      for (const turn of turns.values()) {
        turns.delete(turn.turnId)
        turn.abort.abort(new AgentError('agent_restarted', 'The host agent stopped.', { retryable: true }))
        turn.stream?.cancel()
      }
    },
  }
}

/** What a person stopped, they keep; what broke off is begun again. */
function failure({ code, detail, retryable }: AgentError, text: string): NonNullable<TurnEvent['body']> {
  const partialText = code === 'turn_canceled' ? text : ''
  return { $case: 'failed', failed: { cause: { code, detail }, retryable, partialText } }
}
