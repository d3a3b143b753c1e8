import { parseReadiness, type StatusReport, unreachable } from '../status.ts'

/** Below the page's refresh interval, so a hanging API is shown as such before the next question. */
const timeoutMs = 3_000

type Input = { apiUrl: string; fetch: typeof globalThis.fetch; now: () => Date }

/** Asks the API for its readiness. Never throws: not getting an answer is itself an answer to show. */
export async function readStatus({ apiUrl, fetch, now }: Input): Promise<StatusReport> {
  let response: Response
  let text: string
  try {
    response = await fetch(`${apiUrl}/health/ready`, {
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
    })
    text = await response.text()
  } catch (error) {
    const timedOut = error instanceof Error && error.name === 'TimeoutError'
    return unreachable(
      timedOut ? `No answer within ${timeoutMs / 1000} seconds.` : 'The connection could not be made.',
      now(),
    )
  }
  // 503 carries a report too; any other failure is not the health endpoint speaking.
  if (!response.ok && response.status !== 503) {
    return unreachable(`The API answered with HTTP ${response.status}.`, now())
  }
  return parseReadiness(jsonOrUndefined(text), now())
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // parseReadiness says in words what this means
  }
}
