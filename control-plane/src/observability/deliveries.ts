import type { Channel } from '@yourclaw/db'
import type { Tracing } from '@yourclaw/telemetry'
import { type ChannelSenders, SendError } from '../channels/sender.ts'
import type { Clock } from '../context.ts'
import type { Metrics } from './metrics.ts'

/** Where a message comes from that is about to be sent. */
export interface Origin {
  channel: Channel
  traceParent: string | null
  /** When it was stored; null for a text that is no stored message. */
  answeredAt: Date | null
  /** When the message it answers arrived; null when it answers none. */
  receivedAt: Date | null
}

/** Follows one job that sends a message; exactly one of the four ends it. */
export interface DeliveryWatch {
  sent(): void
  /** The channel's rules let nothing be sent now; what waits has a job of its own later. */
  withheld(reason: string): void
  retried(code: string): void
  dead(code: string): void
}

export type WatchDelivery = (origin: Origin) => DeliveryWatch

export function watchDeliveries(deps: { metrics: Metrics; tracing: Tracing; clock: Clock }): WatchDelivery {
  const { metrics, tracing, clock } = deps
  return ({ channel, traceParent, answeredAt, receivedAt }) => {
    const attributes = { 'yourclaw.channel': channel }
    const span = tracing.start('deliver', { parent: traceParent, kind: 'client', attributes })
    return {
      sent() {
        span.end()
        metrics.deliveries.inc({ channel, outcome: 'sent' })
        const nowMs = clock.now()
        const stages = { answered_to_delivered: answeredAt, received_to_delivered: receivedAt }
        for (const [stage, from] of Object.entries(receivedAt === null ? {} : stages)) {
          if (from) metrics.turnStageSeconds.observe({ stage }, Math.max(0, nowMs - from.getTime()) / 1000)
        }
      },
      withheld(reason) {
        span.end({ attributes: { 'yourclaw.withheld': reason } })
      },
      retried(errorCode) {
        span.end({ errorCode })
      },
      dead(errorCode) {
        span.end({ errorCode })
        metrics.deliveries.inc({ channel, outcome: 'dead' })
      },
    }
  }
}

/** The same senders, with every call to a provider timed by how it went. */
export function observeSenders(senders: ChannelSenders, metrics: Metrics, clock: Clock): ChannelSenders {
  const observed = Object.entries(senders).map(([channel, sender]) => {
    const timed = (startedMs: number, outcome: string) =>
      metrics.deliveryAttemptSeconds.observe({ channel, outcome }, (clock.now() - startedMs) / 1000)
    const send: typeof sender.send = async (...part) => {
      const startedMs = clock.now()
      try {
        const sent = await sender.send(...part)
        timed(startedMs, 'accepted')
        return sent
      } catch (error) {
        timed(startedMs, outcomeOf(error))
        throw error
      }
    }
    return [channel, { ...sender, send }]
  })
  return Object.fromEntries(observed)
}

function outcomeOf(error: unknown): 'refused' | 'rate_limited' | 'failed' {
  if (!(error instanceof SendError)) return 'failed'
  if (error.kind !== 'retry') return 'refused'
  return error.retryAfterMs === undefined ? 'failed' : 'rate_limited'
}
