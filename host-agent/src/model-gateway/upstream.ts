import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { classify, type FailureCode } from './failures.ts'
import type { ProviderName } from './providers.ts'
import { Refusal, unreachable } from './refusal.ts'

/** What a provider answered: its answer, still to be read, or a failure with its whole body. */
export type Upstream =
  | { kind: 'answer'; answer: IncomingMessage }
  | { kind: 'failure'; code: FailureCode; answer: IncomingMessage; body: Buffer }

/** Waits of a failed call, in all; who asks for more is told to wait himself. */
const maxWaitMs = 15_000
const maxTries = 4
/** How long a provider may say nothing: before its answer (a whole one takes longer to begin), and within it. */
export interface Patience {
  streamedMs: number
  wholeMs: number
  stalledMs: number
}
export const patience: Patience = { streamedMs: 60_000, wholeMs: 300_000, stalledMs: 120_000 }
/** Of a failure's body; more says nothing new. */
const maxFailureBytes = 64 * 1024

export interface Outgoing {
  provider: ProviderName
  method: string
  url: URL
  headers: OutgoingHttpHeaders
  bytes: Buffer
  silentMs: number
}

/**
 * Sends a call, and again after a 429, a 5xx or a broken connection, as long as no byte of an answer has come: nothing
 * is asked twice that may have been answered in part. Throws provider_unreachable, or what ended `signal`.
 */
export async function send(outgoing: Outgoing, signal: AbortSignal): Promise<Upstream> {
  const until = performance.now() + maxWaitMs
  for (let tries = 1; ; tries += 1) {
    const result = await attempt(outgoing, signal)
    if (result && result.kind === 'answer') return result
    const waitMs = pauseBefore(tries, result?.answer)
    const isWorthIt = !result || result.code === 'rate_limited' || result.code === 'provider_down'
    if (!isWorthIt || tries === maxTries || performance.now() + waitMs > until) {
      if (!result) throw unreachable()
      return result
    }
    await sleep(waitMs, undefined, { signal }).catch(() => {
      throw new LeftBetween()
    })
  }
}

/** Undefined when the connection broke before an answer. */
async function attempt(outgoing: Outgoing, signal: AbortSignal): Promise<Upstream | undefined> {
  let answer: IncomingMessage
  try {
    answer = await head(outgoing, signal)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof ProviderSilent) throw error
    return undefined
  }
  const status = answer.statusCode ?? 502
  if (status < 300) return { kind: 'answer', answer }
  if (status < 400) {
    // Nobody's model is elsewhere; whoever followed would show a key there.
    answer.destroy()
    throw unreachable()
  }
  const body = await failureBody(answer)
  return { kind: 'failure', code: classify(outgoing.provider, status, body.toString('utf8')), answer, body }
}

/** The caller left, as one does whose person stopped the answer. */
export class CallerLeft extends Error {}

/** The caller left while nobody was at work. */
export class LeftBetween extends CallerLeft {}

/** It took the call and said nothing: nobody knows whether it was at work. */
export class ProviderSilent extends Refusal {
  constructor() {
    super(422, 'provider_unreachable', 'The model provider did not answer.')
  }
}

function head({ method, url, headers, bytes, silentMs }: Outgoing, signal: AbortSignal) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const open = url.protocol === 'https:' ? httpsRequest : httpRequest
    const upstream = open(url, { method, headers, signal })
    const silence = setTimeout(() => upstream.destroy(new ProviderSilent()), silentMs)
    upstream.once('response', (answer) => {
      clearTimeout(silence)
      resolve(answer)
    })
    upstream.on('error', (error) => {
      clearTimeout(silence)
      reject(error)
    })
    // A body of GET has no frame: what follows the head would be read as another request.
    upstream.end(method === 'GET' ? undefined : bytes)
  })
}

async function failureBody(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of answer.setTimeout(10_000, () => answer.destroy())) {
      chunks.push(chunk as Buffer)
      bytes += (chunk as Buffer).length
      if (bytes > maxFailureBytes) break
    }
  } catch {
    // The status alone says what happened.
  }
  return Buffer.concat(chunks).subarray(0, maxFailureBytes)
}

/** `retry-after` in seconds or as a date (RFC 9110, 10.2.3); else longer each time, not all at once. */
function pauseBefore(tries: number, answer: IncomingMessage | undefined): number {
  const said = answer?.headers['retry-after']
  if (said !== undefined) {
    const seconds = Number(said)
    const ms = Number.isNaN(seconds) ? Date.parse(said) - Date.now() : seconds * 1_000
    if (Number.isFinite(ms)) return Math.max(0, ms)
  }
  return 250 * 4 ** (tries - 1) * (0.75 + Math.random() / 2)
}
