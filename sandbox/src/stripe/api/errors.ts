type ErrorType = 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error'

export interface ErrorFields {
  code?: string
  param?: string
  decline_code?: string
  charge?: string
  payment_intent?: object
}

/** A refusal in Stripe's own words (https://docs.stripe.com/api/errors). */
export class StripeError extends Error {
  readonly status: number
  readonly type: ErrorType
  readonly fields: ErrorFields

  constructor(status: number, type: ErrorType, message: string, fields: ErrorFields = {}) {
    super(message)
    this.name = 'StripeError'
    this.status = status
    this.type = type
    this.fields = fields
  }
}

export const invalid = (message: string, fields: ErrorFields = {}) =>
  new StripeError(400, 'invalid_request_error', message, fields)

/** An object named in the path is 404, one named by a parameter 400. */
export const missing = (kind: string, id: string, param = 'id') =>
  new StripeError(param === 'id' ? 404 : 400, 'invalid_request_error', `No such ${kind}: '${id}'`, {
    code: 'resource_missing',
    param,
  })

export const errorBody = ({ type, message, fields }: StripeError): object => ({
  error: {
    message,
    type,
    ...fields,
    ...(fields.code
      ? { doc_url: `https://stripe.com/docs/error-codes/${fields.code.replaceAll('_', '-')}` }
      : {}),
  },
})

/** The body of a failure without a more precise reason. */
export function faultBody(status: number): object {
  if (status === 429) {
    const message = 'Request rate limit exceeded.'
    return errorBody(new StripeError(429, 'invalid_request_error', message, { code: 'rate_limit' }))
  }
  const type = status >= 500 ? 'api_error' : 'invalid_request_error'
  return errorBody(new StripeError(status, type, 'Sandbox fault'))
}
