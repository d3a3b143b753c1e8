import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { AgentError } from '../errors.ts'
import { createMetering, type Metering } from '../metering/metering.ts'
import { type CallDeps, handleCall } from './call.ts'
import { createOpenCalls } from './open-calls.ts'
import { listen, listenAgain } from './port.ts'
import { providerRoutes } from './providers.ts'
import { Refusal, refuse, unreachable } from './refusal.ts'
import { callerOf, findService, type Service } from './service.ts'
import { CallerLeft, type Patience, patience } from './upstream.ts'

export interface ModelGateway {
  /** Base URL; a provider's calls go to {url}/anthropic, {url}/openai, {url}/google or {url}/brave. */
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

/**
 * The only way out for model calls. Assistants show a virtual key; the real one is put in here and exists nowhere
 * in a container. Answers stream through untouched, and a caller that leaves ends the call.
 */
export async function startModelGateway(
  input: Pick<CallDeps, 'keys' | 'watch' | 'log'> & {
    /** Without, nothing outlives the process and nobody is told. */
    metering?: Metering
    env: Parameters<typeof providerRoutes>[0] & { SEARXNG_URL?: string | undefined }
    /** What is reached here beside model providers, by the first segment of the path. */
    services?: ReadonlyMap<string, Service>
    /** Where its port is noted, so that it is the same next time; without, any free one. */
    portPath?: string
    patience?: Partial<Patience>
  },
): Promise<ModelGateway> {
  const metering = input.metering ?? createMetering({ path: ':memory:' })
  const deps: CallDeps = {
    ...input,
    metering,
    routes: providerRoutes(input.env),
    freeSearchUrl: input.env.SEARXNG_URL,
    open: createOpenCalls(),
    patience: { ...patience, ...input.patience },
  }
  const services = input.services ?? new Map<string, Service>()
  const doors = new Set<Door>()
  const handle = async (request: IncomingMessage, response: ServerResponse, owner?: string) => {
    const service = findService(request, services)
    if (!service) return handleCall(request, response, deps, owner)
    return service(request, response, callerOf(request, input.keys, owner))
  }
  const serve = (owner?: string) =>
    createServer((request, response) => {
      handle(request, response, owner).catch((error: unknown) => {
        if (error instanceof CallerLeft) input.log.info('the caller of a model left')
        else if (error instanceof Refusal) input.log.info({ code: error.code }, 'a call was refused')
        else input.log.warn({ err: error }, 'model call ended early')
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
