import { Refusal } from './refusal.ts'

/** What each assistant has under way at once; more of it would cost the others. */
export interface Slots {
  /** Throws too_many_calls (429) instead of waiting. */
  during<T>(assistantId: string, work: () => Promise<T>): Promise<T>
}

export function createSlots(most: number): Slots {
  const taken = new Map<string, number>()
  return {
    async during(assistantId, work) {
      const already = taken.get(assistantId) ?? 0
      if (already >= most) throw new Refusal(429, 'too_many_calls', `At most ${most} calls at once.`, 1)
      taken.set(assistantId, already + 1)
      try {
        return await work()
      } finally {
        const rest = (taken.get(assistantId) ?? 1) - 1
        if (rest > 0) taken.set(assistantId, rest)
        else taken.delete(assistantId)
      }
    },
  }
}
