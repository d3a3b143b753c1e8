import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import type { Logger } from 'pino'
import type { KeyRing } from './keys.ts'
import { listenAgain } from './port.ts'
import { forwardedHeaders, type ProviderRoute, providerRoutes, shownKey } from './providers.ts'

export interface ModelGateway {
  /** Base URL; a provider's calls go to {url}/anthropic, {url}/openai or {url}/google. */
  url: string
  close(): Promise<void>
}

/**
 * The only way out for model calls. Assistants show a virtual key; the real one is put in here and exists nowhere
 * in a container. Bytes stream through untouched in both directions, and a caller that leaves ends the call.
 */
export async function startModelGateway(input: {
  keys: KeyRing
  env: Parameters<typeof providerRoutes>[0]
  log: Logger
  /** Where its port is noted, so that it is the same next time; without, any free one. */
  portPath?: string
}): Promise<ModelGateway> {
  const routes = providerRoutes(input.env)
  const server = createServer((request, response) => {
    handle(request, response, routes, input.keys).catch((error: unknown) => {
      input.log.warn({ err: error }, 'model call broke off')
      if (response.headersSent) response.destroy()
      else refuse(response, 502, 'provider_unreachable', 'The model provider did not answer.')
    })
  })
  // A model may think for minutes before its first byte; the turn's deadline is what ends a call.
  server.requestTimeout = 0
  const port = await listenAgain(server, input.portPath)
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  routes: Map<string, ProviderRoute>,
  keys: KeyRing,
): Promise<void> {
  const called = new URL(request.url ?? '/', 'http://gateway')
  const [, segment = ''] = called.pathname.split('/')
  const route = routes.get(segment)
  if (!route) return refuse(response, 404, 'unknown_provider', 'No such provider.')
  const shown = shownKey(request.headers) ?? called.searchParams.get('key')
  const caller = shown ? keys.resolve(shown, route.provider) : undefined
  // An agent that has just started holds no keys yet; OpenClaw tries again.
  if (!caller && !keys.isFilled()) return refuse(response, 503, 'starting', 'The host agent is starting.')
  if (!caller)
    return refuse(response, 403, 'unknown_virtual_key', 'This key belongs to no assistant of this host.')
  if (!caller.key) return refuse(response, 403, 'no_provider_key', 'There is no key for this provider.')

  if (called.searchParams.has('key')) called.searchParams.delete('key')
  const target = new URL(route.baseUrl + called.pathname.slice(segment.length + 1) + called.search)
  const answer = await forward(request, response, target, {
    ...forwardedHeaders(request.headers),
    ...route.keyHeaders(caller.key),
  })
  response.writeHead(shownStatus(answer.statusCode ?? 502), forwardedHeaders(answer.headers))
  response.flushHeaders()
  await pipeline(answer, response)
}

/** Sends the request on; resolves with the head of the answer. */
function forward(
  request: IncomingMessage,
  response: ServerResponse,
  target: URL,
  headers: ReturnType<typeof forwardedHeaders>,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest
    const upstream = send(target, { method: request.method ?? 'POST', headers }, resolve)
    upstream.once('error', reject)
    response.once('close', () => upstream.destroy())
    pipeline(request, upstream).catch(reject)
  })
}

/** OpenClaw switches a key off for minutes on 401 and 402; a bad key of the user's must not outlive its repair. */
function shownStatus(status: number): number {
  return status === 401 || status === 402 ? 403 : status
}

function refuse(response: ServerResponse, status: number, code: string, detail: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: { type: code, code, message: detail } }))
}
