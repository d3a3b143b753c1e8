/** What the agent throws where a cause must reach the control plane: a stable code and a detail without secrets. */
export class AgentError extends Error {
  readonly code: string
  readonly detail: string
  readonly retryable: boolean

  constructor(code: string, detail: string, options: { cause?: unknown; retryable?: boolean } = {}) {
    super(`${code}: ${detail}`, { cause: options.cause })
    this.name = 'AgentError'
    this.code = code
    this.detail = detail
    this.retryable = options.retryable ?? false
  }
}

export function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`)
}
