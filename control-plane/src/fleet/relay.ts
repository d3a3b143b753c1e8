import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { TurnControl, TurnEvent, TurnOpen } from '@yourclaw/proto/host/v1'
import { traceIdOf } from '@yourclaw/telemetry'
import { invalidInput, staleEpoch } from '../errors.ts'
import type { FleetDeps, TurnInputMessages, TurnProgress } from './deps.ts'
import type { Session } from './session.ts'
import { writeTo } from './stream.ts'
import { toTurnInput, turnDeadlineMs } from './turn-input.ts'

/** For a result that was finished in time and is still on its way. */
const deadlineGraceMs = 30_000

type Call = ServerDuplexStream<TurnEvent, TurnControl>

/**
 * Carries one turn: TurnOpen → TurnInput, if it is needed → TextDelta… → TurnDone → TurnStored, or TurnFailed. The next event is read
 * when the last one is dealt with, so HTTP/2 flow control holds an agent back that is faster than we are.
 * `session` is this host's session on this replica; a stream of an older epoch is refused.
 */
export async function relayTurn(deps: FleetDeps, call: Call, session: Session | undefined): Promise<void> {
  const events = call[Symbol.asyncIterator]() as AsyncIterator<TurnEvent>
  const first = await events.next()
  const open = first.done ? undefined : first.value.body
  if (open?.$case !== 'open') throw invalidInput('The first message is TurnOpen.')
  if (!session || open.open.sessionEpoch !== session.epoch) throw staleEpoch()
  const { turnId, attempt } = open.open
  const { traceParent, input } = session.turns.open(turnId, attempt)
  const log = deps.ctx.log.child({ turnId, attempt, traceId: traceIdOf(traceParent) })
  log.info('turn attached')
  try {
    const outcome = await carry(deps, call, session, open.open, input, events)
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
  claimed: TurnInputMessages | undefined,
  events: AsyncIterator<TurnEvent>,
): Promise<'done' | 'failed' | 'cut'> {
  const { ctx, conversation } = deps
  const { turnId } = open
  const turn = { turnId, sessionEpoch: session.epoch }
  const read = await conversation.readTurnInput({
    ctx,
    input: { ...turn, claimed, withHistory: open.needsInput && !open.conversationExists },
  })
  if (open.needsInput) {
    await writeTo(call, { body: { $case: 'input', input: toTurnInput(read, ctx.clock.now()) } })
  }
  const stopTyping = deps.showTyping(read)
  try {
    return await follow(deps, call, session, turn, read, events)
  } finally {
    stopTyping()
  }
}

async function follow(
  deps: FleetDeps,
  call: Call,
  session: Session,
  turn: { turnId: string; sessionEpoch: bigint },
  { userId, channel, address }: TurnInputMessages,
  events: AsyncIterator<TurnEvent>,
): Promise<'done' | 'failed' | 'cut'> {
  const { ctx, conversation } = deps
  const { turnId } = turn
  let text = ''
  for await (const { body } of untilOverdue(events)) {
    switch (body?.$case) {
      case 'delta':
        text += body.delta.text
        await progress(deps, { turnId, userId, channel, address, text })
        break
      case 'done':
        await conversation.finishTurn({ ctx, input: { ...turn, text: body.done.text } })
        session.turns.finished(turnId)
        await writeTo(call, { body: { $case: 'stored', stored: {} } })
        return 'done'
      case 'failed': {
        const code = body.failed.cause?.code || 'gateway_error'
        const { retryable } = body.failed
        session.turns.failed(
          turnId,
          await conversation.failTurn({ ctx, input: { ...turn, code, retryable } }),
        )
        await writeTo(call, { body: { $case: 'stored', stored: {} } })
        return 'failed'
      }
      case 'open':
      case undefined:
        break
    }
  }
  return 'cut'
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
    },
  },
}

/** Showing is not the turn: when it fails, the answer still goes on. */
async function progress(deps: FleetDeps, now: TurnProgress): Promise<void> {
  try {
    await deps.onProgress(now)
  } catch (error) {
    deps.ctx.log.warn({ err: error, turnId: now.turnId }, 'progress could not be shown')
  }
}
