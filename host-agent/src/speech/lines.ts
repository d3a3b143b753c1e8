import { createBackoff } from '../backoff.ts'
import type { Spoken } from './spool.ts'

const pauseMs = { baseMs: 500, maxMs: 60_000 }

/** What is known of an assistant that has messages. `resting`: one did not get through a moment ago. */
export interface Line {
  /** When it had a place the last time, or came, in the order of places. */
  served: number
  isFailing: boolean
  isResting: boolean
  backoff: ReturnType<typeof createBackoff>
}

/** The assistants that have messages, and which of them is next. */
export function createLines() {
  const lines = new Map<string, Line>()
  let served = 0
  return {
    /**
     * The next message of each assistant. Who waits the longest since they had a place, or came, is first: whoever comes
     * back gets in before nobody. Lines of those who have no message are forgotten.
     */
    inTurn(waiting: readonly Spoken[]): { spoken: Spoken; line: Line }[] {
      const first = new Map<string, Spoken>()
      for (const spoken of waiting) if (!first.has(spoken.assistantId)) first.set(spoken.assistantId, spoken)
      for (const assistantId of lines.keys()) if (!first.has(assistantId)) lines.delete(assistantId)
      const next = [...first].map(([assistantId, spoken]) => {
        const known = lines.get(assistantId)
        const line = known ?? { served, isFailing: false, isResting: false, backoff: createBackoff(pauseMs) }
        lines.set(assistantId, line)
        return { spoken, line }
      })
      return next.sort((a, b) => a.line.served - b.line.served)
    },
    /** It has a place now. */
    serve(line: Line): void {
      served += 1
      line.served = served
    },
  }
}
