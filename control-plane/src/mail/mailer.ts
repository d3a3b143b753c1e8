import { Resend } from 'resend'
import type { RenderedMail } from './layout.ts'

const timeoutMs = 15_000

export interface Mailer {
  /** Sends once per `key`, for as long as the provider remembers it (a day). Throws MailError. */
  send(to: readonly string[], mail: RenderedMail, key: string): Promise<void>
}

export class MailError extends Error {
  /** The provider's own name of it. */
  readonly code: string
  /** False when the same mail will be refused again. */
  readonly retryable: boolean

  constructor(code: string, retryable: boolean, cause?: unknown) {
    super(code, { cause })
    this.name = 'MailError'
    this.code = code
    this.retryable = retryable
  }
}

/** Refusals of the mail itself (https://resend.com/docs/api-reference/errors); all else may pass. */
const refusals = new Set([
  'validation_error',
  'invalid_parameter',
  'missing_required_field',
  'invalid_attachment',
])

/** Resend through its SDK. */
export function createMailer(settings: {
  apiKey: string
  baseUrl: string | undefined
  from: string
}): Mailer {
  const { apiKey, baseUrl, from } = settings
  const resend = new Resend(apiKey, baseUrl === undefined ? {} : { baseUrl })
  return {
    async send(to, mail, idempotencyKey) {
      const signal = AbortSignal.timeout(timeoutMs)
      const { error } = await resend.emails.send({ from, to: [...to], ...mail }, { idempotencyKey, signal })
      if (error === null) return
      // The key was used for other words: an earlier attempt, of an earlier release, was taken.
      if (error.name === 'invalid_idempotent_request') return
      throw new MailError(error.name, !refusals.has(error.name), error)
    },
  }
}
