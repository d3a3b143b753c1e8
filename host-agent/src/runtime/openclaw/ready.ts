import { setTimeout as pause } from 'node:timers/promises'
import { AgentError } from '../../errors.ts'
import type { Cause } from '../runtime.ts'

/** Whether a gateway serves turns; never with a call to a model. One that is busy has five seconds. */
export async function answersReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}

/** Resolves once the gateway serves turns. `ended` = it will not any more. */
export async function ready(
  gateway: { url: string; ended: Promise<Cause | undefined> },
  deadlineMs: number,
): Promise<void> {
  const ending: { cause?: Cause | undefined; over: boolean } = { over: false }
  void gateway.ended.then((cause) => Object.assign(ending, { cause, over: true }))
  const deadline = Date.now() + deadlineMs
  while (Date.now() < deadline) {
    if (ending.over) {
      const detail = ['The gateway ended before it was ready.', ending.cause?.detail].join(' ').trim()
      throw new AgentError('start_failed', detail, { retryable: true })
    }
    if (await answersReady(gateway.url)) return
    await pause(100)
  }
  throw new AgentError('start_timeout', 'The gateway was not ready in time.', { retryable: true })
}
