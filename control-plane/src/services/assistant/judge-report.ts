import type { Assistant } from '@yourclaw/db'
import { type Observed, Phase } from '@yourclaw/proto/host/v1'

/**
 * What a host's report means for an assistant:
 *   refused   nothing: it is stale, or not what is wanted
 *   starting  job RUNNING, step as reported
 *   ready     status READY, jobs up to that generation COMPLETED, or FAILED when the change was undone; the first time,
 *             the ready hook
 *   stopped   (suspended) jobs COMPLETED, status stays
 *   failed    see nextAttempt
 *   gone      the deletion that was wanted is confirmed: status NONE, slot released
 */
export type Verdict = 'refused' | 'starting' | 'ready' | 'stopped' | 'failed' | 'gone'

type Standing = Pick<Assistant, 'status' | 'desired' | 'desiredGeneration' | 'observedGeneration'>

/** Pure. While a deletion is desired, READY and STOPPED say nothing any more, and neither does an older STARTING (F4). */
export function judgeReport(assistant: Standing, observed: Pick<Observed, 'generation' | 'phase'>): Verdict {
  const { generation, phase } = observed
  if (assistant.status === 'NONE') return 'refused'
  if (generation < assistant.observedGeneration || generation > assistant.desiredGeneration) return 'refused'
  const current = generation === assistant.desiredGeneration
  const deleting = assistant.desired === 'ABSENT'
  switch (phase) {
    case Phase.PHASE_STARTING:
      return deleting && !current ? 'refused' : 'starting'
    case Phase.PHASE_READY:
      return deleting ? 'refused' : 'ready'
    case Phase.PHASE_STOPPED:
      return deleting ? 'refused' : 'stopped'
    case Phase.PHASE_FAILED:
      return current ? 'failed' : 'refused'
    case Phase.PHASE_ABSENT:
      return deleting && current ? 'gone' : 'refused'
    default:
      return 'refused'
  }
}

const maxAttempts = 3

/**
 * Pure. A failure asks the host to try again under a new generation; the third one, or one outside of any open job, is
 * a status ERROR. `attempts` is what the open job counted so far, undefined when there is none.
 */
export function nextAttempt(attempts: number | undefined): { attempts: number; again: boolean } {
  const next = (attempts ?? 0) + 1
  return { attempts: next, again: attempts !== undefined && next < maxAttempts }
}
