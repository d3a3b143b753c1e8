import { z } from 'zod'
import { AgentError } from '../../errors.ts'

const answered = z.object({
  statusCode: z.number(),
  json: z.object({ message: z.string() }).optional().catch(undefined),
})
const failed = z.object({ code: z.string(), syscall: z.string().optional() })

/** The status with which Docker refused; undefined when it was something else. */
export const refusal = (error: unknown): number | undefined => answered.safeParse(error).data?.statusCode

/** What Docker said, for telling one refusal from another under the same status. */
export const words = (error: unknown): string => answered.safeParse(error).data?.json?.message ?? ''

/** Runs a call; undefined when what it names does not exist (404). */
export async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (refusal(error) === 404) return undefined
    throw error
  }
}

/** Runs a call of which one of these statuses says that there is nothing to do. */
export async function tolerating(statuses: number[], call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!statuses.includes(refusal(error) ?? 0)) throw error
  }
}

const isUnreachable = (error: unknown) => {
  const { code, syscall } = failed.safeParse(error).data ?? {}
  return syscall === 'connect' || ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code ?? '')
}

/** The engine itself is at fault, not what it was asked: the same may work a moment later. */
export const isEngineTrouble = (error: unknown) => (refusal(error) ?? 0) >= 500 || isUnreachable(error)

/** As the control plane hears of it. Docker's words stay in the cause: they may quote paths and names. */
export function toAgentError(error: unknown): AgentError {
  if (error instanceof AgentError) return error
  if (refusal(error) !== undefined) {
    return new AgentError('engine_refused', 'The Docker Engine refused a step.', { cause: error })
  }
  if (isUnreachable(error)) {
    const detail = 'The Docker Engine of this host does not answer.'
    return new AgentError('engine_unavailable', detail, { cause: error, retryable: true })
  }
  if (['ENOSPC', 'EDQUOT'].includes(failed.safeParse(error).data?.code ?? '')) {
    return new AgentError('disk_full', 'The disk of this host is full.', { cause: error })
  }
  return new AgentError('runtime_failed', 'A step of the Docker runtime failed.', { cause: error })
}
