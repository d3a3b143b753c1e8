import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { notFound, ServiceError } from '../errors.ts'
import { googleUnavailable } from './google-client.ts'

export interface GoogleCall {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** From the host on: /calendar/v3/… */
  path: string
  query?: Record<string, string | number | boolean | undefined>
  /** Sent as JSON. */
  json?: unknown
  /** Sent as it is. */
  body?: { type: string; bytes: Buffer }
  /** The etag that it must still have. */
  ifMatch?: string | undefined
}

/** Google's APIs with one access token. Every answer is bounded and read by a schema. */
export interface GoogleApi {
  /**
   * Throws google_unauthorized (the token), google_scope_missing, google_not_found, google_conflict (it is there
   * already), google_changed (another etag), google_refused (a request that it does not take), google_busy and google_unavailable.
   */
  call<T>(call: GoogleCall, schema: z.ZodType<T>): Promise<T>
  /** The beginning of what is not JSON, at most so many bytes. */
  text(call: GoogleCall, maxBytes: number): Promise<{ text: string; isCut: boolean }>
}

/** With `signal`, nothing goes on once that is aborted. */
export type OpenGoogleApi = (accessToken: string, signal?: AbortSignal) => GoogleApi

const timeoutMs = 15_000
const maxAnswerBytes = 4 * 1024 * 1024
/** Between tries of a call that Google has no time for. */
const pausesMs = [500, 2_000]

/** `baseUrl` without a slash at the end: https://www.googleapis.com. */
export function googleApis(baseUrl: string): OpenGoogleApi {
  return (accessToken, signal) => {
    const timeout = () => {
      const own = AbortSignal.timeout(timeoutMs)
      return signal ? AbortSignal.any([own, signal]) : own
    }
    const once = async (call: GoogleCall): Promise<Response> => {
      const { method = 'GET', path, query = {}, json, body, ifMatch } = call
      const url = new URL(baseUrl + path)
      for (const [name, value] of Object.entries(query))
        if (value !== undefined) url.searchParams.set(name, String(value))
      const type = body?.type ?? (json === undefined ? undefined : 'application/json')
      return fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${accessToken}`,
          ...(type !== undefined && { 'content-type': type }),
          ...(ifMatch !== undefined && { 'if-match': ifMatch }),
        },
        body: body ? new Uint8Array(body.bytes) : json === undefined ? null : JSON.stringify(json),
        redirect: 'error',
        signal: timeout(),
      }).catch((cause: unknown) => {
        throw googleUnavailable(cause)
      })
    }
    /** Only what Google did not begin is tried again, whatever it would do. */
    const send = async (call: GoogleCall): Promise<Response> => {
      for (const pauseMs of pausesMs) {
        const answer = await once(call)
        if (answer.ok) return answer
        const failure = await readFailure(answer)
        if (failure.code !== 'google_busy') throw failure
        await delay(Math.min(failure.retryAfterMs ?? pauseMs, 5_000))
      }
      const answer = await once(call)
      if (!answer.ok) throw await readFailure(answer)
      return answer
    }
    return {
      async call(call, schema) {
        const { text, isCut } = await readBounded(await send(call), maxAnswerBytes)
        if (isCut) throw unexpected()
        const parsed = schema.safeParse(text === '' ? undefined : parseJson(text))
        if (!parsed.success) throw unexpected(parsed.error)
        return parsed.data
      },
      text: async (call, maxBytes) => readBounded(await send(call), maxBytes),
    }
  }
}

async function readBounded(answer: Response, maxBytes: number): Promise<{ text: string; isCut: boolean }> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of answer.body ?? []) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > maxBytes) break
    }
  } catch (cause) {
    throw googleUnavailable(cause)
  }
  const whole = Buffer.concat(chunks)
  // A character that the cut went through is left out.
  const text = new TextDecoder().decode(whole.subarray(0, maxBytes), { stream: bytes > maxBytes })
  return { text, isCut: bytes > maxBytes }
}

const errorSchema = z.object({
  error: z.object({
    message: z.string().default(''),
    errors: z.array(z.object({ reason: z.string().default('') })).default([]),
  }),
})

/** https://developers.google.com/workspace/drive/api/guides/handle-errors; the others use the same words. */
async function readFailure(answer: Response): Promise<ServiceError> {
  const { status } = answer
  const { text } = await readBounded(answer, 64 * 1024)
  const body = errorSchema.safeParse(parseJson(text)).data?.error
  const reason = body?.errors[0]?.reason ?? ''
  if (status === 401) return new ServiceError(401, 'google_unauthorized', 'Google does not accept the token.')
  if (status === 429 || (status === 403 && /rateLimitExceeded/i.test(reason))) {
    const seconds = Number(answer.headers.get('retry-after'))
    return new ServiceError(429, 'google_busy', 'Google has no time right now. Try again in a minute.', {
      retryable: true,
      ...(seconds > 0 && { retryAfterMs: seconds * 1000 }),
    })
  }
  if (status === 403 && reason === 'insufficientPermissions') {
    return new ServiceError(403, 'google_scope_missing', 'The person did not agree to that at Google.')
  }
  if (status === 404 || status === 410)
    return notFound('There is no such thing at Google.', 'google_not_found')
  if (status === 409) return new ServiceError(409, 'google_conflict', 'It is there already.')
  if (status === 412)
    return new ServiceError(412, 'google_changed', 'It was changed at Google since the person was asked.')
  if (status >= 500) return googleUnavailable(undefined)
  // Google's words are about a request that the assistant wrote: it may read them, logs may not.
  const why = (body?.message ?? '').slice(0, 300)
  return new ServiceError(400, 'google_refused', `Google refused the request: ${why}`)
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const unexpected = (cause?: unknown) =>
  new ServiceError(502, 'google_unexpected', 'Google answered something unexpected.', { cause })
