import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { request as httpsRequest } from 'node:https'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Logger } from 'pino'
import { AgentError } from '../errors.ts'
import type { Watch } from '../observability/watch.ts'
import type { KeyRing } from './keys.ts'
import { listen, listenAgain } from './port.ts'
import { forwardedHeaders, type ProviderRoute, providerRoutes, shownKey } from './providers.ts'

export interface ModelGateway {
  /** Base URL; a provider's calls go to {url}/anthropic, {url}/openai or {url}/google. */
  url: string
  /** Lets in an assistant that does not share our loopback. Throws model_gateway_unavailable. */
  openDoor(place: DoorPlace): Promise<Door>
  close(): Promise<void>
}

/** Where a door is, and who alone may come through it. */
export interface DoorPlace {
  /** Of this host, in the assistant's own network. */
  address: string
  port: number
  /** The assistant's address. */
  caller: string
  assistantId: string
}

export interface Door {
  /** Base URL, as `ModelGateway.url`. */
  url: string
  close(): Promise<void>
}

/** What one assistant has open at once; more of it would cost the others. */
const maxDoorConnections = 100

/** How a provider says that a key is wrong, unpaid or may not do this. */
const keyRefusals = [401, 402, 403]

/** The largest body a provider of ours takes (Anthropic's Messages API), in bytes. */
const maxBodyBytes = 32 * 1024 * 1024

/**
 * An answer of the gateway's own. Never 401, 402 or 403: on each of them OpenClaw switches its key off for minutes,
 * across restarts too, so a key would stay dead after its repair. 422 ends one call and nothing else.
 */
class Refusal extends AgentError {
  readonly status: number

  constructor(status: number, code: string, detail: string) {
    super(code, detail)
    this.status = status
  }
}

/**
 * The only way out for model calls. Assistants show a virtual key; the real one is put in here and exists nowhere
 * in a container. Bytes stream through untouched in both directions, and a caller that leaves ends the call.
 */
export async function startModelGateway(input: {
  keys: KeyRing
  env: Parameters<typeof providerRoutes>[0]
  watch: Watch
  log: Logger
  /** Where its port is noted, so that it is the same next time; without, any free one. */
  portPath?: string
}): Promise<ModelGateway> {
  const routes = providerRoutes(input.env)
  const doors = new Set<Door>()
  const serve = (owner?: string) =>
    createServer((request, response) => {
      handle(request, response, { ...input, routes, owner }).catch((error: unknown) => {
        input.log.warn({ err: error }, 'model call ended early')
        if (error instanceof Refusal) input.watch.modelCallRefused(error.code)
        if (response.headersSent) response.destroy()
        else refuse(response, error instanceof Refusal ? error : unreachable())
      })
    })
  const server = serve()
  const port = await listenAgain(server, input.portPath)
  return {
    url: `http://127.0.0.1:${port}`,
    async openDoor(place) {
      const own = serve(place.assistantId)
      own.maxConnections = maxDoorConnections
      own.on('connection', (socket) => {
        if (socket.remoteAddress !== place.caller) socket.destroy()
      })
      await listen(own, place.port, place.address).catch((error: unknown) => {
        const detail = 'The model gateway could not listen in the assistant’s network.'
        throw new AgentError('model_gateway_unavailable', detail, { cause: error, retryable: true })
      })
      const door = {
        url: `http://${place.address}:${place.port}`,
        close() {
          doors.delete(door)
          return closed(own)
        },
      }
      doors.add(door)
      return door
    },
    async close() {
      await Promise.all([closed(server), ...[...doors].map((door) => door.close())])
    },
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  {
    routes,
    keys,
    watch,
    log,
    owner,
  }: {
    routes: Map<string, ProviderRoute>
    keys: KeyRing
    watch: Watch
    log: Logger
    /** Whose door it came through; another's key is worth nothing there. */
    owner: string | undefined
  },
): Promise<void> {
  const { name, route, path, query } = findRoute(request, routes)
  const shown = shownKey(request.headers) ?? query.get('key')
  query.delete('key')
  const caller = shown ? keys.resolve(shown, route.provider) : undefined
  // An agent that has just started holds no keys yet; OpenClaw tries again.
  if (!caller && !keys.isFilled()) throw new Refusal(503, 'starting', 'The host agent is starting.')
  if (!caller || (owner !== undefined && owner !== caller.assistantId)) {
    throw new Refusal(422, 'unknown_virtual_key', 'This key belongs to no assistant of this host.')
  }
  if (!caller.key) throw new Refusal(422, 'no_provider_key', 'There is no key for this provider.')
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge()

  const target = new URL(route.baseUrl + path + (query.size > 0 ? `?${query}` : ''))
  const call = watch.modelCall({ provider: name, assistantId: caller.assistantId })
  let status: number | 'unreachable' = 'unreachable'
  try {
    const answer = await forward(request, response, target, {
      ...forwardedHeaders(request.headers),
      ...route.keyHeaders(caller.key),
    })
    status = answer.statusCode ?? 502
    if (keyRefusals.includes(status)) {
      // Nor its words: some providers quote the key, and OpenClaw switches it off for words as for numbers.
      answer.destroy()
      log.error({ call: path, status }, 'the provider refused a key')
      throw new Refusal(422, 'provider_refused', 'The provider did not accept this request.')
    }
    response.writeHead(status, forwardedHeaders(answer.headers))
    response.flushHeaders()
    await pipeline(answer, response)
  } finally {
    call.end(status)
  }
}

/** Compares the path as it was sent, undecoded: whatever is not exactly a known call goes nowhere. */
function findRoute(request: IncomingMessage, routes: Map<string, ProviderRoute>) {
  const [sent = '', ...rest] = (request.url ?? '').split('?')
  const [, name = '', below = ''] = /^\/([a-z]+)(\/.*)$/.exec(sent) ?? []
  const route = routes.get(name)
  if (!route) throw new Refusal(404, 'unknown_provider', 'No such provider.')
  const path = route.calls.exec(below)?.[1]
  if (path === undefined || request.method !== 'POST') {
    throw new Refusal(404, 'unknown_call', 'Assistants may not make this call.')
  }
  return { name, route, path, query: new URLSearchParams(rest.join('?')) }
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
    const upstream = send(target, { method: 'POST', headers }, resolve)
    upstream.on('error', reject)
    response.once('close', () => upstream.destroy())
    // Piped, not pipelined: a body that is too long must leave its connection open for the refusal.
    request.pipe(bounded()).on('error', reject).pipe(upstream)
  })
}

function bounded(): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maxBodyBytes) done(tooLarge())
      else done(null, chunk)
    },
  })
}

const unreachable = () => new Refusal(502, 'provider_unreachable', 'The model provider did not answer.')
const tooLarge = () => new Refusal(413, 'request_too_large', `A request has at most ${maxBodyBytes} bytes.`)

/** In the shape of all three providers. The connection ends with it, since the request may not have been read. */
function refuse(response: ServerResponse, { status, code, detail }: Refusal): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(JSON.stringify({ type: 'error', error: { type: code, code, message: detail } }))
}
