import type { Span, Tracing } from '@yourclaw/telemetry'
import type { Metrics } from './metrics.ts'

/** Follows one attempt of a turn; ended once, with the code of the failure if it is one. */
export interface TurnWatch {
  end(errorCode?: string): void
}

/** Follows one call to a model provider; ended once. */
export interface CallWatch {
  end(status: number | 'unreachable'): void
}

/** Follows what assistants say by themselves. */
export interface SpeechWatch {
  /** Within the turn it was said in, or beginning a trace of its own; returns its trace context. */
  messageTaken(parent: string | undefined): string
  /** Not even taken. */
  messageRefused(code: string): void
  /** The control plane has it, or refused it with a code. */
  messageSettled(code: string | undefined): void
}

export interface Watch extends SpeechWatch {
  turn(turn: { turnId: string; assistantId: string; attempt: number; traceParent: string }): TurnWatch
  modelCall(call: { provider: string; assistantId: string }): CallWatch
  modelCallRefused(code: string): void
}

/**
 * Counts, times and traces. A model call belongs to the turn that its assistant runs: there is never a second one,
 * and so no trace context has to pass through the assistant.
 */
export function createWatch({ metrics, tracing }: { metrics: Metrics; tracing: Tracing }): Watch {
  const running = new Map<string, Span>()
  return {
    turn({ turnId, assistantId, attempt, traceParent }) {
      const attributes = { 'yourclaw.turn': turnId, 'yourclaw.attempt': attempt }
      const span = tracing.start('run turn', { parent: traceParent, kind: 'server', attributes })
      const stop = metrics.turnSeconds.startTimer()
      running.set(assistantId, span)
      return {
        end(errorCode) {
          if (running.get(assistantId) === span) running.delete(assistantId)
          stop({ outcome: errorCode ?? 'answered' })
          span.end(errorCode === undefined ? {} : { errorCode })
        },
      }
    },
    modelCall({ provider, assistantId }) {
      const parent = running.get(assistantId)?.traceParent
      const attributes = { 'yourclaw.provider': provider }
      const span = tracing.start('model call', { parent, kind: 'client', attributes })
      const stop = metrics.modelCallSeconds.startTimer({ provider })
      return {
        end(status) {
          stop({ status })
          const isError = status === 'unreachable' || status >= 400
          span.end({
            attributes: { 'http.response.status_code': status },
            ...(isError && { errorCode: String(status) }),
          })
        },
      }
    },
    messageTaken(parent) {
      const span = tracing.start('say', { parent, kind: 'server' })
      span.end()
      return span.traceParent
    },
    messageRefused: (code) => metrics.messages.inc({ outcome: code }),
    messageSettled: (code) => metrics.messages.inc({ outcome: code ?? 'stored' }),
    modelCallRefused: (code) => metrics.modelCallsRefused.inc({ code }),
  }
}
