import { type AssistantSpec, Phase, Presence } from '@yourclaw/proto/host/v1'

/** What the agent knows of one assistant: the last spec it applied and where that led. */
export interface Seen {
  phase: Phase
  /** The spec that led here. */
  applied: AssistantSpec
  /** The spec that its process, if there is one, was last started for: after a failure it may still be that one. */
  launched: AssistantSpec
}

/**
 * The next step towards the desired state of one assistant.
 * none: there. report: there, under a newer generation. start, apply, restart, stop, erase: as they say.
 * retire: nobody names it any more; it is stopped and forgotten. Its data stays, since only an explicit ABSENT erases:
 * a snapshot that is wrongly empty must not cost anybody their memory.
 */
export type Step = 'none' | 'report' | 'start' | 'apply' | 'restart' | 'stop' | 'erase' | 'retire'

/**
 * Pure: what to do next, from desired state and what is seen.
 *
 * | desired   | not seen | READY                         | STOPPED | STARTING | FAILED              | ABSENT |
 * |-----------|----------|-------------------------------|---------|----------|---------------------|--------|
 * | RUNNING   | start    | none, report, apply, restart  | start   | start    | again if newer      | start  |
 * | SUSPENDED | stop     | stop                          | report  | stop     | stop                | stop   |
 * | ABSENT    | erase    | erase                         | erase   | erase    | erase if newer      | report |
 * | not named | none     | retire                        | retire  | retire   | retire              | retire |
 *
 * again: restart when only a new process can be what is desired, else start, which leaves one that runs running.
 */
export function plan(desired: AssistantSpec | undefined, seen: Seen | undefined): Step {
  if (!desired) return seen ? 'retire' : 'none'
  const newer = seen !== undefined && desired.generation > seen.applied.generation
  const settled: Step = newer ? 'report' : 'none'
  const failed = seen?.phase === Phase.PHASE_FAILED
  switch (desired.presence) {
    case Presence.PRESENCE_RUNNING:
      if (seen?.phase === Phase.PHASE_READY) return planLive(desired, seen, settled)
      if (failed && !newer) return 'none'
      return failed && needsNewProcess(desired, seen.launched) ? 'restart' : 'start'
    case Presence.PRESENCE_SUSPENDED:
      if (seen?.phase === Phase.PHASE_STOPPED) return settled
      return failed && !newer ? 'none' : 'stop'
    case Presence.PRESENCE_ABSENT:
      if (seen?.phase === Phase.PHASE_ABSENT) return settled
      return failed && !newer ? 'none' : 'erase'
    default:
      return 'none'
  }
}

/** An image and an asked restart cannot take effect in place. */
function needsNewProcess(desired: AssistantSpec, launched: AssistantSpec): boolean {
  return desired.restartCount !== launched.restartCount || desired.image !== launched.image
}

const limits = (spec: AssistantSpec) =>
  `${spec.limits?.memoryBytes ?? 0} ${spec.limits?.cpuMillis ?? 0} ${spec.limits?.pids ?? 0}`

/** Model, keys, tokens and limits change in place. */
function planLive(desired: AssistantSpec, { applied, launched }: Seen, settled: Step): Step {
  if (needsNewProcess(desired, launched)) return 'restart'
  if (
    desired.model !== applied.model ||
    desired.gatewayToken !== applied.gatewayToken ||
    desired.virtualKey !== applied.virtualKey ||
    limits(desired) !== limits(applied)
  ) {
    return 'apply'
  }
  return settled
}
