import type { ServerResponse } from 'node:http'
import { AgentError } from '../errors.ts'

/**
 * An answer of the gateway's own. Never 401, 402 or 403: on each of them OpenClaw switches its key off for minutes,
 * across restarts too, so a key would stay dead after its repair. Nor 5xx or 429 for what was tried again here already:
 * it asks eight to ten times more, for minutes. 422 ends one call and nothing else: the fallback model is asked at once.
 */
export class Refusal extends AgentError {
  readonly status: number
  readonly retryAfterS: number | undefined

  constructor(status: number, code: string, detail: string, retryAfterS?: number) {
    super(code, detail)
    this.status = status
    this.retryAfterS = retryAfterS
  }
}

/** In the shape of all three providers. The connection ends with it, since the request may not have been read. */
export function refuse(response: ServerResponse, { status, code, detail, retryAfterS }: Refusal): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    connection: 'close',
    ...(retryAfterS !== undefined && { 'retry-after': String(retryAfterS) }),
  })
  response.end(JSON.stringify({ type: 'error', error: { type: code, code, message: detail } }))
}

export const unreachable = () =>
  new Refusal(422, 'provider_unreachable', 'The model provider did not answer.')
export const tooLarge = (maxBytes: number) =>
  new Refusal(413, 'request_too_large', `A request has at most ${maxBytes} bytes.`)
