import { credentials, type ServiceError } from '@grpc/grpc-js'
import {
  type AgentMessage,
  type Capacity,
  type Hello,
  HostServiceClient,
  type ServerMessage,
  type Welcome,
} from '@yourclaw/proto/host/v1'
import { AgentError } from '../errors.ts'
import type { Identity } from '../identity/store.ts'

/** The name in the control plane's certificate, whatever address it is reached by. */
const serverName = 'control-plane.yourclaw.internal'

const welcomeTimeoutMs = 15_000
const heartbeatAck = 'heartbeat-ack'

/** A client that shows this host's certificate and trusts its authority alone. */
export function createClient(identity: Identity): HostServiceClient {
  const tls = credentials.createSsl(
    Buffer.from(identity.caPem),
    Buffer.from(identity.privateKeyPem),
    Buffer.from(identity.certificatePem),
  )
  return new HostServiceClient(identity.grpcAddress, tls, {
    'grpc.ssl_target_name_override': serverName,
    'grpc.default_authority': serverName,
    // A turn's input with its history, at its longest.
    'grpc.max_receive_message_length': 64 * 1024 * 1024,
    // Finds a cut cable without waiting for TCP to.
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
    // Each link has a connection of its own, so that a new certificate is really used.
    'grpc.use_local_subchannel_pool': 1,
    // Reconnecting is the link's own affair.
    'grpc.enable_retries': 0,
  })
}

export interface SessionHandlers {
  hello(): Hello
  capacity(): Capacity
  /** `send` says something on this session for as long as it lasts. */
  welcomed(welcome: Welcome, send: (body: NonNullable<AgentMessage['body']>) => void): void
  message(body: NonNullable<ServerMessage['body']>): void
}

/** One session, from Hello to its end; resolves with why the server asked to go, rejects when it broke. */
export function runSession(
  client: HostServiceClient,
  handlers: SessionHandlers,
  stop: AbortSignal,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const call = client.session()
  const timers: { heartbeat?: NodeJS.Timeout; silence?: NodeJS.Timeout } = {}
  let seq = 0n
  let received = 0n
  let welcome: Welcome | undefined
  let isAskedToGo = false

  function send(body: NonNullable<AgentMessage['body']>): void {
    seq += 1n
    call.write({ seq, ack: received, body })
  }
  function beat(intervalMs: number): void {
    timers.heartbeat = setTimeout(
      () => {
        send({ $case: 'heartbeat', heartbeat: { capacity: handlers.capacity() } })
        beat(intervalMs)
      },
      intervalMs * (0.9 + Math.random() * 0.2),
    )
  }
  function expectSign(ms: number, what: string): void {
    clearTimeout(timers.silence)
    timers.silence = setTimeout(() => reject(new AgentError('link_silent', what)), ms)
  }
  function onMessage(message: ServerMessage): void {
    if (message.seq !== 0n && message.seq <= received) return
    if (message.seq > received + 1n) {
      // What was lost is not known, and the next session begins with the whole state.
      reject(new AgentError('message_missing', 'A message of the control plane went missing.'))
      return
    }
    const { body } = message
    if (body?.$case === 'welcome') {
      if (welcome) return
      welcome = body.welcome
      if (welcome.protocolVersion !== 1) {
        reject(new AgentError('protocol_version', `Protocol ${welcome.protocolVersion} is not spoken here.`))
        return
      }
      clearTimeout(timers.silence)
      handlers.welcomed(welcome, send)
      beat(welcome.heartbeatIntervalMs || 10_000)
    } else if (body?.$case === 'goAway') {
      isAskedToGo = true
      resolve(body.goAway.reason)
    } else if (body !== undefined) {
      if (welcome) handlers.message(body)
    } else if (message.seq !== 0n) {
      send({ $case: 'unsupported', unsupported: { seq: message.seq } })
    }
    if (message.seq > received) received = message.seq
    // A control plane that answers signs of life can be missed; one that does not is left to keepalive.
    if (welcome?.capabilities.includes(heartbeatAck)) {
      expectSign(welcome.sessionTimeoutMs || 45_000, 'The control plane fell silent.')
    }
  }

  call.on('data', onMessage)
  call.on('error', (error: ServiceError) => reject(error))
  call.on('end', () => reject(new AgentError('link_ended', 'The control plane ended the session.')))
  const onStop = () => resolve('stopped')
  stop.addEventListener('abort', onStop)
  expectSign(welcomeTimeoutMs, 'The control plane did not say Welcome.')
  send({ $case: 'hello', hello: handlers.hello() })
  return promise.finally(() => {
    clearTimeout(timers.heartbeat)
    clearTimeout(timers.silence)
    stop.removeEventListener('abort', onStop)
    call.end()
    // Later errors of a call that is over have nobody to tell.
    call.removeAllListeners('data')
    // Asked to go, both sides end it in peace; anything else leaves nothing behind to open a session late.
    if (!isAskedToGo) call.cancel()
  })
}
