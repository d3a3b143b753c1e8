import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { TurnControl, TurnEvent, TurnOpen } from '@yourclaw/proto/host/v1'
import { traceIdOf } from '@yourclaw/telemetry'
import { invalidInput, staleEpoch } from '../errors.ts'
import type { AnsweredTurn } from '../services/conversation/finish-turn.ts'
import type { TurnListener, TurnOutcome } from './audience.ts'
import type { ClaimedTurn, FleetDeps, TurnInputMessages } from './deps.ts'
import type { Session } from './session.ts'
import { writeTo } from './stream.ts'
import { sendFiles } from './turn-files.ts'
import { toTurnInput, turnDeadlineMs } from './turn-input.ts'

/** For a result that was finished in time and is still on its way. */
const deadlineGraceMs = 30_000
/** An agent ends a longer answer; of one that does not, no more is kept, in characters. */
const maxShownLength = 1_000_000

type Call = ServerDuplexStream<TurnEvent, TurnControl>

/**
 * Carries one turn: TurnOpen → TurnFile… and TurnInput, where they are needed → TextDelta… → TurnDone → TurnStored, or
 * TurnFailed. The next event is read when the last one is dealt with, so HTTP/2 flow control holds an agent back that is
 * faster than we are.
 * `session` is this host's session on this replica; a stream of an older epoch is refused.
 */
export async function relayTurn(deps: FleetDeps, call: Call, session: Session | undefined): Promise<void> {
  const events = call[Symbol.asyncIterator]() as AsyncIterator<TurnEvent>
  const first = await events.next()
  const open = first.done ? undefined : first.value.body
  if (open?.$case !== 'open') throw invalidInput('The first message is TurnOpen.')
  if (!session || open.open.sessionEpoch !== session.epoch) throw staleEpoch()
  const { turnId, attempt } = open.open
  const claimed = session.turns.open(turnId, attempt)
  const { traceParent } = claimed
  const log = deps.ctx.log.child({ turnId, attempt, traceId: traceIdOf(traceParent) })
  log.info('turn attached')
  try {
    const outcome = await carry(deps, call, session, open.open, claimed, events)
    log.info({ outcome }, 'turn left')
  } finally {
    session.turns.broken(turnId)
  }
}

async function carry(
  deps: FleetDeps,
  call: Call,
  session: Session,
  open: TurnOpen,
  claimed: ClaimedTurn,
  events: AsyncIterator<TurnEvent>,
): Promise<TurnOutcome> {
  const { turnId } = open
  const turn = { turnId, sessionEpoch: session.epoch }
  const readInput = async () =>
    deps.conversation.readTurnInput({
      ctx: deps.ctx,
      input: { ...turn, claimed: claimed.input, withHistory: open.needsInput && !open.conversationExists },
    })
  const read = await readInput()
  const { userId, channel, address, replyTo } = read
  const listener = deps.audience.begin({ turnId, userId, channel, address, replyTo })
  let outcome: TurnOutcome = 'cut'
  try {
    const heard = open.needsInput
      ? await hand(deps, call, session, turnId, { read, readInput, events })
      : events
    const known = { userId, channel, address, receivedAt: claimed.receivedAt }
    const ended = await follow(deps, session, { ...turn, turn: known }, heard, listener)
    if (ended === undefined) return outcome
    outcome = ended
    await writeTo(call, { body: { $case: 'stored', stored: {} } })
    return outcome
  } finally {
    listener?.end?.(outcome)
  }
}

/**
 * Gives an attempt its input, with the files of its messages before it. Whatever the agent says meanwhile, that the turn
 * was stopped or that it is gone, ends the work on files at once. Returns what the agent says from here on.
 */
async function hand(
  deps: FleetDeps,
  call: Call,
  session: Session,
  turnId: string,
  turn: {
    read: TurnInputMessages
    readInput: () => Promise<TurnInputMessages>
    events: AsyncIterator<TurnEvent>
  },
): Promise<AsyncIterator<TurnEvent>> {
  const { ctx, conversation } = deps
  const send = (read: TurnInputMessages) => {
    return writeTo(call, { body: { $case: 'input', input: toTurnInput(read, ctx.clock.now()) } })
  }
  if (!turn.read.hasMore) {
    await send(turn.read)
    return turn.events
  }
  const left = new AbortController()
  const next = turn.events.next()
  const leave = () => left.abort(new Error('the turn is over'))
  next.then(leave, leave)
  try {
    const files = await conversation.prepareTurn({ ctx, input: { turnId, signal: left.signal } })
    const read = await turn.readInput()
    if (session.takesFiles) await sendFiles(call, files, left.signal)
    await send(session.takesFiles || files.length === 0 ? read : withoutFiles(read))
  } catch (error) {
    if (!left.signal.aborted) throw error
  }
  return continued(next, turn.events)
}

/** For an agent of an older release. */
function withoutFiles(read: TurnInputMessages): TurnInputMessages {
  const messages = read.messages.map((message, index) =>
    index === read.messages.length - 1
      ? {
          ...message,
          text: `${message.text}\n[None of these files arrived. Tell the user to send them again later.]`,
        }
      : message,
  )
  return { ...read, messages }
}

/** What was asked for already comes first. */
function continued<T>(first: Promise<IteratorResult<T>>, rest: AsyncIterator<T>): AsyncIterator<T> {
  let asked: Promise<IteratorResult<T>> | undefined = first
  return {
    next() {
      const next = asked ?? rest.next()
      asked = undefined
      return next
    },
  }
}

/** Undefined = the stream ended without a result; else the result is stored, and the agent may forget it. */
async function follow(
  deps: FleetDeps,
  session: Session,
  answering: { turnId: string; sessionEpoch: bigint; turn: AnsweredTurn },
  events: AsyncIterator<TurnEvent>,
  listener: TurnListener | undefined,
): Promise<TurnOutcome | undefined> {
  const { ctx, conversation } = deps
  const { turn, ...running } = answering
  const { turnId } = running
  let text = ''
  for await (const { body } of untilOverdue(events)) {
    switch (body?.$case) {
      case 'delta':
        if (text.length >= maxShownLength) break
        text += body.delta.text
        session.turns.streamed(turnId, text)
        listener?.text?.(text)
        break
      case 'done':
        await listener?.settle?.()
        await conversation.finishTurn({ ctx, input: { ...running, turn, text: body.done.text } })
        session.turns.finished(turnId)
        return 'answered'
      case 'failed': {
        const code = body.failed.cause?.code || 'gateway_error'
        // An agent of an older release keeps it to itself; what was shown of it is known here.
        const { retryable } = body.failed
        await listener?.settle?.()
        const partialText = body.failed.partialText || session.turns.partialOf(turnId)
        const next = await conversation.failTurn({ ctx, input: { ...running, code, retryable, partialText } })
        session.turns.failed(turnId, next)
        return next.outcome === 'waiting' ? 'cut' : next.outcome
      }
      case 'open':
      case undefined:
        break
    }
  }
  return undefined
}

/** The agent keeps the deadline. One that does not is not waited for: the turn fails in its place. */
async function* untilOverdue(events: AsyncIterator<TurnEvent>): AsyncGenerator<Pick<TurnEvent, 'body'>> {
  const overdue = Promise.withResolvers<null>()
  const timer = setTimeout(() => overdue.resolve(null), turnDeadlineMs + deadlineGraceMs)
  try {
    for (;;) {
      const next = await Promise.race([events.next(), overdue.promise])
      if (next?.done) return
      yield next?.value ?? overdueEvent
    }
  } finally {
    clearTimeout(timer)
  }
}

const overdueEvent = {
  body: {
    $case: 'failed' as const,
    failed: {
      cause: { code: 'turn_deadline', detail: 'The host did not answer in time.' },
      retryable: false,
      partialText: '',
    },
  },
}
