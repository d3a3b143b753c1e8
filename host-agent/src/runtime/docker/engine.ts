import { setTimeout as pause } from 'node:timers/promises'
import { isEngineTrouble } from './errors.ts'

/** An engine that restarts, or that the host starts after us, is back within this. */
const deadlineMs = 60_000
const retryMs = 500

/**
 * Does what needs the engine, which may be repeated, and does it again while the engine is away, or on its way down and
 * failing at what it would do else. Throws the last error in the end, and at once when `isClosing`.
 */
export async function withEngine<T>(work: () => Promise<T>, isClosing: () => boolean): Promise<T> {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (isClosing() || Date.now() > deadline || !isEngineTrouble(error)) throw error
      await pause(retryMs)
    }
  }
}
