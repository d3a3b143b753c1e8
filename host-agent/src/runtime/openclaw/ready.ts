import { setTimeout as pause } from 'node:timers/promises'
import { AgentError } from '../../errors.ts'

/** Resolves once the gateway serves turns; never with a call to a model. `ended` = it will not any more. */
export async function ready(
  gateway: { url: string; ended: Promise<void> },
  deadlineMs: number,
): Promise<void> {
  let over = false
  gateway.ended.then(() => {
    over = true
  })
  const deadline = Date.now() + deadlineMs
  while (Date.now() < deadline) {
    if (over)
      throw new AgentError('start_failed', 'The gateway ended before it was ready.', { retryable: true })
    const response = await fetch(`${gateway.url}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(
      () => undefined,
    )
    await response?.body?.cancel()
    if (response?.ok) return
    await pause(150)
  }
  throw new AgentError('start_timeout', 'The gateway was not ready in time.', { retryable: true })
}
