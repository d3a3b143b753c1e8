import { type Keepable, refill } from '../../kept.ts'
import { StripeError } from './errors.ts'

interface Kept {
  request: string
  status: number
  body: string
}

/** First answers by their idempotency key (https://docs.stripe.com/api/idempotent_requests). */
export class Idempotency implements Keepable {
  readonly #kept = new Map<string, Kept>()

  save(): Map<string, Kept> {
    return this.#kept
  }

  load(saved: Map<string, Kept>): void {
    refill(this.#kept, saved)
  }

  /**
   * The answer that was given before.
   * @throws StripeError when the key was used for something else
   */
  recall(key: string, request: string): Kept | undefined {
    const kept = this.#kept.get(key)
    if (kept && kept.request !== request) {
      const message =
        'Keys for idempotent requests can only be used with the same parameters they were first used with.' +
        ` Try using a key other than '${key}' if you meant to execute a different request.`
      throw new StripeError(400, 'idempotency_error', message)
    }
    return kept
  }

  /** What was refused before anything was done is not kept: the caller may mend it and use the key again. */
  keep(key: string, kept: Kept): void {
    if (![400, 401, 404].includes(kept.status)) this.#kept.set(key, kept)
  }
}
