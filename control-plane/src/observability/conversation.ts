import type { Span, Tracing } from '@yourclaw/telemetry'
import type { Clock } from '../context.ts'
import { ServiceError } from '../errors.ts'
import type { ClaimedTurn, Conversation, FleetDeps } from '../fleet/deps.ts'
import type { Metrics, TurnStage } from './metrics.ts'

/** A turn this replica carries. What an earlier process did of it is not known here, and then not counted. */
interface Carried {
  span: Span
  claimedAtMs?: number
  firstTokenAtMs?: number
}

/** Turns that moved to another replica are never heard of again; the oldest make room. */
const maxCarried = 10_000
/** Codes reach us from hosts; what is not on this list must not make up labels. */
const attemptCodes = new Set([
  'agent_restarted',
  'assistant_suspended',
  'assistant_unknown',
  'assistant_unreachable',
  'gateway_error',
  'key_forbidden',
  'key_invalid',
  'model_error',
  'model_unavailable',
  'month_cap_reached',
  'no_provider_key',
  'not_on_shared_key',
  'out_of_credit',
  'out_of_quota',
  'platform_paused',
  'provider_down',
  'provider_stalled',
  'provider_unreachable',
  'rate_limited',
  'request_refused',
  'request_too_large',
  'shared_key_busy',
  'too_many_calls',
  'turn_canceled',
  'turn_deadline',
])

/** The same verbs, counted, timed and traced on their way; as one of an answer's audience it hears its first words. */
export function observeConversation(deps: {
  conversation: Conversation
  metrics: Metrics
  tracing: Tracing
  clock: Clock
}): Pick<FleetDeps, 'conversation' | 'audience' | 'onClaimed'> {
  const { conversation, metrics, tracing, clock } = deps
  const carried = new Map<string, Carried>()

  const timed = (stage: TurnStage, fromMs: number | undefined) => {
    if (fromMs === undefined) return
    metrics.turnStageSeconds.observe({ stage }, Math.max(0, clock.now() - fromMs) / 1000)
  }
  /** The host's spans become children of ours. */
  const carry = (turn: ClaimedTurn, more: { claimedAtMs?: number }): ClaimedTurn => {
    const { turnId, attempt, traceParent: parent } = turn
    const attributes = { 'yourclaw.turn': turnId, 'yourclaw.attempt': attempt }
    const known = carried.get(turnId) ?? { span: tracing.start('turn', { parent, attributes }), ...more }
    carried.set(turnId, known)
    const [oldest] = carried.keys()
    if (carried.size > maxCarried && oldest !== undefined) carried.delete(oldest)
    return { ...turn, traceParent: known.span.traceParent }
  }
  const over = (turnId: string, outcome: 'answered' | 'failed' | 'canceled', errorCode?: string) => {
    const turn = carried.get(turnId)
    // The same result once more: counted when it came first.
    if (!turn) return
    carried.delete(turnId)
    metrics.turns.inc({ outcome })
    turn.span.end({
      attributes: { 'yourclaw.outcome': outcome },
      ...(errorCode !== undefined && { errorCode }),
    })
  }

  const onClaimed = (turns: ClaimedTurn[]) =>
    turns.map((turn) => {
      const receivedAtMs = turn.receivedAt.getTime()
      timed('received_to_claimed', receivedAtMs)
      tracing.start('turn waits', { parent: turn.traceParent, startedAtMs: receivedAtMs }).end()
      return carry(turn, { claimedAtMs: clock.now() })
    })

  return {
    onClaimed,
    conversation: {
      ...conversation,
      async claimTurns(call) {
        const { turns, passedOver } = await conversation.claimTurns(call)
        return { turns: onClaimed(turns), passedOver }
      },
      async adoptTurns(call) {
        return (await conversation.adoptTurns(call)).map((turn) => carry(turn, {}))
      },
      async finishTurn(call) {
        const { turnId } = call.input
        const turn = carried.get(turnId)
        const span = tracing.start('store reply', { parent: turn?.span.traceParent })
        try {
          const stored = await conversation.finishTurn(call)
          span.end()
          timed('first_token_to_answered', turn?.firstTokenAtMs)
          over(turnId, 'answered')
          return stored
        } catch (error) {
          span.end({ errorCode: error instanceof ServiceError ? error.code : 'internal' })
          throw error
        }
      },
      async failTurn(call) {
        const next = await conversation.failTurn(call)
        const { turnId, code } = call.input
        metrics.turnAttemptsFailed.inc({ code: attemptCodes.has(code) ? code : 'other' })
        if (next.retryAfterMs === null) over(turnId, code === 'turn_canceled' ? 'canceled' : 'failed', code)
        return next
      },
    },
    audience: {
      begin: ({ turnId }) => ({
        text() {
          const turn = carried.get(turnId)
          if (!turn || turn.firstTokenAtMs !== undefined) return
          turn.firstTokenAtMs = clock.now()
          timed('claimed_to_first_token', turn.claimedAtMs)
        },
      }),
    },
  }
}
