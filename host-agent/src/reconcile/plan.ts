import { type AssistantSpec, Phase, Presence } from '@yourclaw/proto/host/v1'

/** What the agent knows of one assistant: the last spec it applied and where that led. */
export interface Seen {
  phase: Phase
  /** The spec that led here. */
  applied: AssistantSpec
  /** It runs as before: the change to `applied` was tried, and undone. */
  refused?: boolean
}

/**
 * The next step towards the desired state of one assistant.
 * none: there. report: there, under a newer generation. start, apply, stop, erase: as the runtime has them.
 */
export type Step = 'none' | 'report' | 'start' | 'apply' | 'stop' | 'erase'

/**
 * Pure: what to do next, from desired state and what is seen.
 *
 * | desired   | not seen | READY                         | STOPPED | STARTING | FAILED              | ABSENT |
 * |-----------|----------|-------------------------------|---------|----------|---------------------|--------|
 * | RUNNING   | start    | none, report, apply, start    | start   | start    | start if newer      | start  |
 * | SUSPENDED | stop     | stop                          | report  | stop     | stop                | stop   |
 * | ABSENT    | erase    | erase                         | erase   | erase    | erase if newer      | report |
 *
 * What nobody names any more is not planned for one by one: a snapshot may be wrongly empty (see strays.ts).
 * A start leaves one that runs running, unless only a new process can be what is desired. What was refused of a
 * generation is not tried again for it.
 */
export function plan(desired: AssistantSpec | undefined, seen: Seen | undefined): Step {
  if (!desired) return 'none'
  const newer = seen !== undefined && desired.generation > seen.applied.generation
  const settled: Step = newer ? 'report' : 'none'
  const failed = seen?.phase === Phase.PHASE_FAILED
  switch (desired.presence) {
    case Presence.PRESENCE_RUNNING:
      if (seen?.phase === Phase.PHASE_READY) return newer ? planLive(desired, seen) : 'none'
      return failed && !newer ? 'none' : 'start'
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

const limits = (spec: AssistantSpec) =>
  `${spec.limits?.memoryBytes ?? 0} ${spec.limits?.cpuMillis ?? 0} ${spec.limits?.pids ?? 0}`

/** Model, keys, tokens, tools and limits change in place; an image and an asked restart cannot. */
function planLive(desired: AssistantSpec, { applied, refused }: Seen): Step {
  if (refused || desired.restartCount !== applied.restartCount || desired.image !== applied.image)
    return 'start'
  if (
    desired.model !== applied.model ||
    desired.fallbackModel !== applied.fallbackModel ||
    desired.toolsVersion !== applied.toolsVersion ||
    desired.gatewayToken !== applied.gatewayToken ||
    desired.virtualKey !== applied.virtualKey ||
    limits(desired) !== limits(applied)
  ) {
    return 'apply'
  }
  return 'report'
}
