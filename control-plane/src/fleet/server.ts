import { setTimeout as delay } from 'node:timers/promises'
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js'
import {
  type CallToolRequest,
  type CallToolResponse,
  HostServiceService,
  type ListToolsRequest,
  type ListToolsResponse,
  type RenewRequest,
  type RenewResponse,
} from '@yourclaw/proto/host/v1'
import { ServiceError, unauthenticated } from '../errors.ts'
import { shareLooks } from '../lib/shared-look.ts'
import { identifyHost } from '../services/host/identify-host.ts'
import { renewCertificate } from '../services/host/renew-certificate.ts'
import type { FleetDeps } from './deps.ts'
import { relayHandOver } from './hand-over.ts'
import { relayOperation } from './operations.ts'
import { relayTurn } from './relay.ts'
import { runSession, type Sessions } from './session.ts'
import { toStatus } from './status.ts'
import { nameConnections, type PeerHost, trustedPeers } from './trusted-peers.ts'

export interface FleetServer {
  /** The port it listens on. */
  port: number
  /** Takes no new session, sends the hosts away one after the other, waits until their sessions ended, and stops. */
  close(): Promise<void>
}

/** What hosts that were sent away get to hang up. */
const forceMs = 2_500

/** Open at once on a replica: a host runs 40 turns, two operations and four messages, for a moment on two sessions. */
const maxStreamsPerHost = 200

type Stream = Pick<ServerDuplexStream<unknown, unknown>, 'emit' | 'cancelled'>
type Unary<In> = ServerUnaryCall<In, unknown>
type Peer = Pick<ServerWritableStream<unknown, unknown>, 'getAuthContext' | 'getPeer'>

/** Serves hosts on `port` (0 = any free one) with mutual TLS: who has no certificate of ours does not get in. */
export async function startFleetServer(
  deps: FleetDeps & { port: number; listenAddress: string },
): Promise<FleetServer> {
  const { ctx, authority } = deps
  const sessions: Sessions = new Map()
  const running = new Set<Promise<void>>()
  const streams = new Map<string, Set<Stream>>()
  let isDraining = false

  const lookUp = shareLooks((serial) => identifyHost({ ctx, input: { serial } }))
  const peers = trustedPeers({ clock: ctx.clock, trustMs: deps.timing.sweepMs })
  /** A host is its certificate: sessions, renewals and tools ask of it anew each time. */
  const identify = async (peer: Peer): Promise<PeerHost> => {
    const serial = peer.getAuthContext().sslPeerCertificate?.serialNumber
    if (!serial) throw unauthenticated('A client certificate is needed.')
    return lookUp(serial)
  }
  /** What comes on a trusted session's connection has shown the same certificate, and waits for nothing. */
  const recognize = async (peer: Peer) => peers.hostOf(peer.getPeer()) ?? identify(peer)
  const serve = <In, Out>(
    call: ServerDuplexStream<In, Out>,
    from: Promise<PeerHost>,
    work: (host: PeerHost) => Promise<void>,
  ) => {
    call.on('error', (err) => ctx.log.debug({ err }, 'host stream broke'))
    const done = from
      .then(async (host) => {
        const own = streams.get(host.hostId) ?? new Set()
        if (own.size >= maxStreamsPerHost)
          throw new ServiceError(429, 'too_many_streams', 'Too many streams are open.', { retryable: true })
        streams.set(host.hostId, own.add(call))
        await work(host).finally(() => own.delete(call))
        call.end()
      })
      .catch((error: unknown) => {
        if (!call.cancelled) call.emit('error', toStatus(error, ctx.log))
      })
      .finally(() => running.delete(done))
    running.add(done)
  }
  const once = <In, Out>(
    call: Unary<In>,
    answer: sendUnaryData<Out>,
    work: (host: PeerHost) => Promise<Out>,
    afterwards?: (host: PeerHost) => Promise<void> | undefined,
  ) => {
    identify(call)
      .then(async (host) => {
        answer(null, await work(host))
        await afterwards?.(host)
      })
      .catch((error: unknown) => answer(toStatus(error, ctx.log)))
  }
  /** Nothing of a revoked host goes on, its turns included. */
  const cutRevoked = (hostId: string) => (error: unknown) => {
    if (error instanceof ServiceError && error.code === 'host_revoked') {
      for (const stream of streams.get(hostId) ?? []) stream.emit('error', toStatus(error, ctx.log))
    }
    throw error
  }

  const server = new Server({
    'grpc.max_receive_message_length': 4 * 1024 * 1024,
    'grpc.keepalive_time_ms': 20_000,
    interceptors: [nameConnections],
  })
  server.addService(HostServiceService, {
    session: (call: Parameters<typeof runSession>[2]) =>
      serve(call, identify(call), async (host) => {
        if (isDraining)
          throw new ServiceError(503, 'draining', 'Connect to another replica.', { retryable: true })
        const trust = peers.open(call.getPeer(), host)
        call.once('cancelled', trust.end)
        await runSession(deps, sessions, call, host, trust).catch(cutRevoked(host.hostId)).finally(trust.end)
      }),
    runTurn: (call: Parameters<typeof relayTurn>[1]) =>
      serve(call, recognize(call), (host) => relayTurn(deps, call, sessions.get(host.hostId))),
    runOperation: (call: Parameters<typeof relayOperation>[1]) =>
      serve(call, recognize(call), (host) => relayOperation(deps, call, sessions.get(host.hostId))),
    handOver: (call: Parameters<typeof relayHandOver>[1]) =>
      serve(call, recognize(call), (host) => relayHandOver(deps, call, sessions.get(host.hostId))),
    listTools: (call: Unary<ListToolsRequest>, answer: sendUnaryData<ListToolsResponse>) =>
      once(call, answer, async ({ hostId }) => {
        const { assistantId } = call.request
        return { tools: await deps.tools.list({ hostId, assistantId }) }
      }),
    callTool: (call: Unary<CallToolRequest>, answer: sendUnaryData<CallToolResponse>) =>
      once(call, answer, ({ hostId }) => {
        const left = new AbortController()
        call.on('cancelled', () => left.abort())
        return deps.tools.call({ hostId, ...call.request, signal: left.signal })
      }),
    renew: (call: Unary<RenewRequest>, answer: sendUnaryData<RenewResponse>) =>
      once(
        call,
        answer,
        async ({ hostId }) => {
          const { csrPem } = call.request
          return renewCertificate({ ctx, signer: authority, input: { hostId, csrPem } })
        },
        ({ hostId }) => sessions.get(hostId)?.goAway('certificate_renewed'),
      ),
  })

  const own = await authority.issueServerCertificate()
  const credentials = ServerCredentials.createSsl(
    Buffer.from(authority.caPem),
    [{ cert_chain: Buffer.from(own.certificatePem), private_key: Buffer.from(own.keyPem) }],
    true,
  )
  const bound = Promise.withResolvers<number>()
  server.bindAsync(`${deps.listenAddress}:${deps.port}`, credentials, (error, port) =>
    error ? bound.reject(error) : bound.resolve(port),
  )
  return {
    port: await bound.promise,
    async close() {
      isDraining = true
      const open = [...sessions.values()]
      // A host that does not read takes no GoAway either: it must not keep us.
      const force = setTimeout(() => server.forceShutdown(), deps.timing.drainMs + forceMs)
      // Not all at once: they meet again on the replicas that stay.
      const paceMs = Math.min(deps.timing.drainPaceMs, deps.timing.drainMs / open.length)
      for (const session of open) {
        void session.goAway('draining')
        await delay(paceMs)
      }
      const stopped = Promise.withResolvers<void>()
      server.tryShutdown(() => stopped.resolve())
      await stopped.promise
      clearTimeout(force)
      await Promise.all(running)
    },
  }
}
