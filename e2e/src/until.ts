import { setTimeout as delay } from 'node:timers/promises'

/** The first answer that is one; what fails is asked again. Rejects at the deadline. */
export async function until<T>(ask: () => Promise<T | undefined | false>, deadlineMs = 120_000): Promise<T> {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    const answer = await ask().catch(() => undefined)
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > deadline) throw new Error('a program did not come up')
    await delay(50)
  }
}
