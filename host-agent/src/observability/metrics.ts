import { type Observed, Phase } from '@yourclaw/proto/host/v1'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

const secondBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const phases: [Phase, string][] = [
  [Phase.PHASE_STARTING, 'starting'],
  [Phase.PHASE_READY, 'ready'],
  [Phase.PHASE_STOPPED, 'stopped'],
  [Phase.PHASE_ABSENT, 'absent'],
  [Phase.PHASE_FAILED, 'failed'],
]

/** What this host counts. Labels come from closed lists, never from an assistant (S8). */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  return {
    registry,
    turnSeconds: new Histogram({
      name: 'yourclaw_agent_turn_seconds',
      help: 'Attempts of turns, from their input to their result: answered, or the code of the failure.',
      labelNames: ['outcome'],
      buckets: secondBuckets,
      registers,
    }),
    modelCallSeconds: new Histogram({
      name: 'yourclaw_agent_model_call_seconds',
      help: 'Model calls until the end of the answer, by provider and its HTTP status.',
      labelNames: ['provider', 'status'],
      buckets: secondBuckets,
      registers,
    }),
    modelCallsRefused: new Counter({
      name: 'yourclaw_agent_model_calls_refused_total',
      help: 'Model calls that the gateway itself refused.',
      labelNames: ['code'],
      registers,
    }),
    messages: new Counter({
      name: 'yourclaw_agent_messages_total',
      help: 'What assistants said by themselves: stored by the control plane, or the code of who refused it.',
      labelNames: ['outcome'],
      registers,
    }),
    linkUp: new Gauge({
      name: 'yourclaw_agent_link_up',
      help: '1 while the control plane holds a session of this host.',
      registers,
    }),
  }
}

/** Figures that are read when somebody asks. */
export function registerGauges(
  registry: Registry,
  read: { observed(): Observed[]; held(): unknown[]; messagesWaiting(): number },
): void {
  const registers = [registry]
  new Gauge({
    name: 'yourclaw_agent_assistants',
    help: 'Assistants on this host, by phase.',
    labelNames: ['phase'],
    registers,
    collect() {
      const observed = read.observed()
      for (const [phase, name] of phases) {
        this.set({ phase: name }, observed.filter((one) => one.phase === phase).length)
      }
    },
  })
  new Gauge({
    name: 'yourclaw_agent_held_turns',
    help: 'Turns that run here, or whose result the control plane has not stored yet.',
    registers,
    collect() {
      this.set(read.held().length)
    },
  })
  new Gauge({
    name: 'yourclaw_agent_messages_waiting',
    help: 'What assistants said by themselves and the control plane does not have yet.',
    registers,
    collect() {
      this.set(read.messagesWaiting())
    },
  })
}
