/** A refusal as Twilio words it: HTTP status, its own number, a sentence (https://www.twilio.com/docs/api/errors). */
export class TwilioError extends Error {
  readonly status: number
  readonly code: number

  constructor(status: number, code: number, message: string) {
    super(message)
    this.name = 'TwilioError'
    this.status = status
    this.code = code
  }
}

export function errorBody(status: number, code: number, message: string): object {
  return { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status }
}

export const notFound = (path: string) =>
  new TwilioError(404, 20404, `The requested resource ${path} was not found`)

const generic: Record<number, [code: number, message: string]> = {
  401: [20003, 'Authenticate'],
  404: [20404, 'The requested resource was not found'],
  429: [20429, 'Too Many Requests'],
  503: [20503, 'Service Unavailable'],
}

/** The body of a failure that was asked for; `code` wins over the usual one of that status. */
export function faultBody(status: number, code?: number): object {
  const [usual, message] = generic[status] ?? [status < 500 ? 20001 : 20500, 'An error occurred']
  return errorBody(status, code ?? usual, message)
}
