const statuses = {
  missing_api_key: 401,
  invalid_api_key: 403,
  not_found: 404,
  invalid_idempotency_key: 400,
  invalid_idempotent_request: 409,
  invalid_attachment: 422,
  invalid_from_address: 422,
  missing_required_field: 422,
  validation_error: 422,
  rate_limit_exceeded: 429,
  application_error: 500,
} as const
type ErrorName = keyof typeof statuses

/** A refusal in Resend's words (https://resend.com/docs/api-reference/errors). */
export class ResendError extends Error {
  readonly error: ErrorName
  readonly status: number

  constructor(error: ErrorName, message: string) {
    super(message)
    this.error = error
    this.status = statuses[error]
  }
}

export const errorBody = ({ status, message, error }: ResendError): object => ({
  statusCode: status,
  message,
  name: error,
})

/** The body of a failure without a more precise reason. */
export function faultBody(status: number): object {
  const name =
    status === 429 ? 'rate_limit_exceeded' : status >= 500 ? 'application_error' : 'validation_error'
  return { statusCode: status, message: 'Sandbox fault', name }
}
