import { setTimeout as sleep } from 'node:timers/promises'
import { sign } from './signature.ts'

/** Twilio waits this long for all attempts of one callback together. */
const answerDeadlineMs = 15_000
const firstBackoffMs = 200

/** How often and after what a URL asks for another attempt, in its fragment: `#rc=5&rp=all`. */
interface Overrides {
  retries: number
  policies: Set<string>
}

/** Twilio's connection overrides; without any, one retry when the connection could not be made. */
function overridesOf(fragment: string): Overrides {
  const given = new URLSearchParams(fragment.replace(/^#/, ''))
  return {
    retries: Math.min(Number(given.get('rc') ?? 1), 5),
    policies: new Set((given.get('rp') ?? 'ct').split(',')),
  }
}

/** Posts signed forms, each until it is answered with 2xx or its URL's retries are used up. */
export class Callbacks {
  readonly #authToken: string
  readonly #stopped = new AbortController()

  constructor(authToken: string) {
    this.#authToken = authToken
  }

  stop(): void {
    this.#stopped.abort()
  }

  /** True once it was taken. `onFailed` hears of each attempt that was not. */
  async post(
    target: string,
    parameters: Record<string, string>,
    onFailed: () => void = () => undefined,
  ): Promise<boolean> {
    const url = new URL(target)
    const { retries, policies } = overridesOf(url.hash)
    url.hash = ''
    // The text as configured: normalising it would change what is signed.
    const signed = target.replace(/#.*$/s, '')
    const headers = {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      'x-twilio-signature': sign(this.#authToken, signed, parameters),
      'i-twilio-idempotency-token': crypto.randomUUID(),
      'user-agent': 'TwilioProxy/1.1',
    }
    const body = new URLSearchParams(parameters).toString()
    for (let attempt = 0; ; attempt += 1) {
      const failure = await this.#try(signed, headers, body)
      if (failure === undefined) return true
      onFailed()
      const isCovered = policies.has('all') || policies.has(failure)
      if (!isCovered || attempt >= retries || this.#stopped.signal.aborted) return false
      const { signal } = this.#stopped
      await sleep(firstBackoffMs * 2 ** attempt, undefined, { signal }).catch(() => undefined)
    }
  }

  async #try(url: string, headers: Record<string, string>, body: string): Promise<string | undefined> {
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(answerDeadlineMs), this.#stopped.signal])
      const response = await fetch(url, { method: 'POST', headers, body, signal })
      await response.arrayBuffer()
      if (response.ok) return undefined
      return response.status < 500 ? '4xx' : '5xx'
    } catch (error) {
      return error instanceof Error && error.name === 'TimeoutError' ? 'rt' : 'ct'
    }
  }
}
