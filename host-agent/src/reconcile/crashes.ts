/** Unplanned ends further back count no more. */
const windowMs = 10 * 60_000

export interface CrashSettings {
  /** More unplanned ends than this within ten minutes are a crash loop. */
  limit: number
  /** Before the first restart, at most; before each further one four times as long. */
  baseMs: number
}

export const defaultCrashes: CrashSettings = { limit: 3, baseMs: 1_000 }

/** Counts the ends that nobody asked for, and says when to start again. */
export function createCrashes({ limit, baseMs }: CrashSettings, now: () => number) {
  const ends = new Map<string, { at: number[]; waits: boolean }>()
  return {
    /** One more; how many there were lately. `again` is called when it is time for a restart: not in a crash loop. */
    note(id: string, again: () => void): { count: number; isLoop: boolean } {
      const at = [...(ends.get(id)?.at ?? []), now()].filter((time) => time > now() - windowMs)
      const count = at.length
      const isLoop = count > limit
      const one = { at, waits: !isLoop }
      ends.set(id, one)
      if (isLoop) return { count, isLoop }
      // What shares a cause should not come back in step.
      const delayMs = baseMs * 4 ** (count - 1) * (0.5 + Math.random() / 2)
      const timer = setTimeout(() => {
        one.waits = false
        if (ends.get(id) === one) again()
      }, delayMs)
      timer.unref()
      return { count, isLoop }
    },
    /** Whether it ended lately, so that a start is a restart. */
    has: (id: string) => ends.has(id),
    mayStart: (id: string) => ends.get(id)?.waits !== true,
    forget: (id: string) => void ends.delete(id),
  }
}
