import { Counter, Histogram, Registry } from 'prom-client'

/**
 * What this replica counts. Made once in the composition root; a scrape of every replica adds up. Labels come from
 * closed lists: never an id, an address or a text of a user (S8).
 */
export type Metrics = ReturnType<typeof createMetrics>

/** From a message's arrival to the provider's acceptance of its answer. */
export type TurnStage =
  | 'received_to_claimed'
  | 'claimed_to_first_token'
  | 'first_token_to_answered'
  | 'answered_to_delivered'
  | 'received_to_delivered'

const turnBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const requestBuckets = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  return {
    registry,
    turnStageSeconds: new Histogram({
      name: 'yourclaw_turn_stage_seconds',
      help: 'How long each stage of a turn took.',
      labelNames: ['stage'],
      buckets: turnBuckets,
      registers,
    }),
    turns: new Counter({
      name: 'yourclaw_turns_total',
      help: 'Turns that ended, by how.',
      labelNames: ['outcome'],
      registers,
    }),
    turnAttemptsFailed: new Counter({
      name: 'yourclaw_turn_attempts_failed_total',
      help: 'Attempts that ended without an answer, by cause.',
      labelNames: ['code'],
      registers,
    }),
    deliveryAttemptSeconds: new Histogram({
      name: 'yourclaw_delivery_attempt_seconds',
      help: 'How long a provider took to accept or refuse one part of a message.',
      labelNames: ['channel', 'outcome'],
      buckets: requestBuckets,
      registers,
    }),
    deliveries: new Counter({
      name: 'yourclaw_deliveries_total',
      help: 'Messages that were sent, or given up as dead letters.',
      labelNames: ['channel', 'outcome'],
      registers,
    }),
    spoken: new Counter({
      name: 'yourclaw_spoken_messages_total',
      help: 'What assistants said by themselves: stored, or the code of why not.',
      labelNames: ['outcome'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'yourclaw_http_request_seconds',
      help: 'HTTP requests, until the answer begins.',
      labelNames: ['method', 'route', 'status'],
      buckets: requestBuckets,
      registers,
    }),
  }
}
