/** A refusal in the Bot API's own words. */
export class BotApiError extends Error {
  readonly code: number
  readonly description: string

  constructor(code: number, description: string) {
    super(description)
    this.name = 'BotApiError'
    this.code = code
    this.description = description
  }
}

export const badRequest = (reason: string) => new BotApiError(400, `Bad Request: ${reason}`)

const titles: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden: bot was blocked by the user',
  404: 'Not Found',
  409: 'Conflict',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
}

/** The envelope of a failure without a more precise reason. */
export function faultEnvelope(status: number, retryAfter: number): object {
  if (status === 429) {
    return {
      ok: false,
      error_code: 429,
      description: `Too Many Requests: retry after ${retryAfter}`,
      parameters: { retry_after: retryAfter },
    }
  }
  return { ok: false, error_code: status, description: titles[status] ?? 'Error' }
}
