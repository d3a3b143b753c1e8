import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { AgentMessage, Hello, ServerMessage } from '@yourclaw/proto/host/v1'
import { invalidInput, ServiceError, unauthenticated } from '../errors.ts'
import { applyObserved } from '../services/assistant/apply-observed.ts'
import { desiredGenerations, desiredState } from '../services/assistant/desired-state.ts'
import { placeWaiting } from '../services/assistant/place-waiting.ts'
import {
  closeHostSession,
  heartbeat,
  heartbeatIntervalMs,
  openHostSession,
  sessionLeaseMs,
} from '../services/host/host-session.ts'
import { identifyHost } from '../services/host/identify-host.ts'
import type { FleetDeps } from './deps.ts'
import { writeTo } from './stream.ts'
import { type SessionTurns, sessionTurns } from './turns.ts'

/*
 * HELLO  the agent has connected and must say Hello within helloMs
 * OPEN   Welcome and Snapshot are sent; Deltas and StartTurns follow
 * ENDED  by the agent, by silence, at the certificate's end, or with GoAway (superseded, revoked, renewed, draining)
 * The session whose epoch stands in host_sessions is the host's only one; every other ends as soon as it notices.
 */
type Call = ServerDuplexStream<AgentMessage, ServerMessage>
type Body = NonNullable<ServerMessage['body']>

export interface PeerHost {
  hostId: string
  serial: string
  notAfter: Date
}

export interface Session {
  hostId: string
  epoch: bigint
  turns: SessionTurns
  /** Says GoAway and ends. Never rejects. */
  goAway(reason: 'draining' | 'certificate_renewed' | 'superseded' | 'revoked'): Promise<void>
}

const helloMs = 10_000
const protocolVersion = 1

/** The sessions on this replica, newest of each host. */
export type Sessions = Map<string, Session>

/** Runs a session until it ends; rejects with the reason when that is an error. */
export async function runSession(
  deps: FleetDeps,
  sessions: Sessions,
  call: Call,
  host: PeerHost,
): Promise<void> {
  const { ctx } = deps
  const { hostId } = host
  const log = ctx.log.child({ hostId })
  const cleanups: (() => void)[] = []
  const ended = Promise.withResolvers<void>()
  ended.promise.catch(() => {})
  const messages = call[Symbol.asyncIterator]() as AsyncIterator<AgentMessage>
  call.once('cancelled', () => ended.resolve())
  call.once('error', () => ended.resolve())

  let sentSeq = 0n
  let receivedSeq = 0n
  let sending: Promise<void> = Promise.resolve()
  const send = (body: Body) => {
    sending = sending.then(() => writeTo(call, { seq: ++sentSeq, ack: receivedSeq, body }))
    return sending
  }

  const endAfter = (delayMs: number, error: () => ServiceError) => {
    const timer = setTimeout(() => ended.reject(error()), delayMs)
    cleanups.push(() => clearTimeout(timer))
    return timer
  }
  endAfter(host.notAfter.getTime() - ctx.clock.now(), () =>
    unauthenticated('The certificate ran out.', 'certificate_expired'),
  )
  const silence = endAfter(helloMs, silent)

  let session: Session | undefined
  try {
    const hello = await Promise.race([firstHello(messages), ended.promise])
    if (!hello) return
    clearTimeout(silence)
    const { epoch } = await openHostSession({ ctx, input: { hostId, replica: deps.replica, ...hello } })
    log.info({ epoch: String(epoch), agentVersion: hello.agentVersion }, 'host session opened')
    const turns = sessionTurns(
      deps,
      { hostId, epoch },
      (startTurn) => send({ $case: 'startTurn', startTurn }),
      (turnId) => send({ $case: 'cancelTurn', cancelTurn: { turnId } }),
    )
    const opened: Session = {
      hostId,
      epoch,
      turns,
      goAway: (reason) =>
        send({ $case: 'goAway', goAway: { reason } }).then(
          () => ended.resolve(),
          () => ended.resolve(),
        ),
    }
    session = opened
    const earlier = sessions.get(hostId)
    if (earlier && earlier.epoch > epoch) return await opened.goAway('superseded')
    sessions.set(hostId, opened)
    void earlier?.goAway('superseded')

    const sent = new Map<string, number>()
    const pushSnapshot = async () => {
      const assistants = await desiredState({ ctx, vault: deps.vault, input: { hostId } })
      sent.clear()
      for (const spec of assistants) sent.set(spec.assistantId, spec.generation)
      await send({ $case: 'snapshot', snapshot: { assistants, sharedKeys: deps.sharedKeys } })
    }
    const pushDelta = async () => {
      const wanted = await desiredGenerations({ ctx, input: { hostId } })
      for (const id of sent.keys()) if (!wanted.has(id)) sent.delete(id)
      const assistantIds = [...wanted]
        .filter(([id, generation]) => sent.get(id) !== generation)
        .map(([id]) => id)
      if (assistantIds.length === 0) return
      const assistants = await desiredState({ ctx, vault: deps.vault, input: { hostId, assistantIds } })
      for (const spec of assistants) sent.set(spec.assistantId, spec.generation)
      await send({ $case: 'delta', delta: { assistants } })
    }
    const stillNewest = async () => {
      const row = await ctx.db.hostSession.findUnique({ where: { hostId }, select: { epoch: true } })
      if (row?.epoch === epoch) return true
      await opened.goAway('superseded')
      return false
    }
    const observe = (observed: Hello['observed'][number]) =>
      applyObserved({
        ctx,
        onFirstReady: deps.onFirstReady,
        input: { hostId, sessionEpoch: epoch, observed },
      })

    await send({
      $case: 'welcome',
      welcome: {
        sessionEpoch: epoch,
        protocolVersion,
        capabilities: [],
        heartbeatIntervalMs,
        sessionTimeoutMs: sessionLeaseMs,
      },
    })

    // State goes down one step at a time; a step that fails is logged and left to the sweep.
    let working: Promise<void> = Promise.resolve()
    const step = (work: () => Promise<unknown>) => {
      working = working.then(work).then(
        () => {},
        (error: unknown) => {
          if (error instanceof ServiceError && error.code === 'stale_epoch')
            return opened.goAway('superseded')
          log.error({ err: error }, 'session step failed')
        },
      )
      return working
    }
    const every = (intervalMs: number, work: () => Promise<unknown>) => {
      const timer = setInterval(() => void step(work), intervalMs)
      cleanups.push(() => clearInterval(timer))
    }
    const onNotice = (topic: 'changes' | 'turns', work: () => Promise<unknown>) => {
      cleanups.push(deps.notifications.on(topic, (id) => (id === hostId || id === '') && void step(work)))
    }
    // Listen before reading, so that no change falls between.
    onNotice('changes', async () => (await stillNewest()) && pushDelta())
    onNotice('turns', turns.pump)
    // Nothing repeats these: a session that cannot begin ends, and the agent's next one tries again.
    const begin = working.then(async () => {
      for (const observed of hello.observed) await observe(observed)
      await placeWaiting({ ctx })
      await pushSnapshot()
      await turns.adopt(hello.heldTurns.map((turn) => turn.turnId))
    })
    working = begin.catch(() => {})
    await begin
    void step(turns.pump)
    every(deps.resyncMs, pushSnapshot)
    every(deps.sweepMs, async () => {
      if (!(await stillNewest())) return
      if (!(await identifyHost({ ctx, input: host }).catch(() => null))) return opened.goAway('revoked')
      await placeWaiting({ ctx })
      await pushDelta()
      await turns.sweep()
    })

    const quiet = endAfter(sessionLeaseMs, silent)
    const listen = async () => {
      for (let next = await messages.next(); !next.done; next = await messages.next()) {
        const message = next.value
        quiet.refresh()
        switch (message.body?.$case) {
          case 'heartbeat':
            await heartbeat({ ctx, input: { hostId, epoch, capacity: message.body.heartbeat.capacity } })
            break
          case 'observed':
            await observe(message.body.observed)
            break
          case 'unsupported':
            log.warn({ seq: String(message.body.unsupported.seq) }, 'agent did not know a message')
            break
          case 'hello':
            throw invalidInput('Hello comes once.')
          case undefined:
            await send({ $case: 'unsupported', unsupported: { seq: message.seq } })
            break
        }
        receivedSeq = message.seq
      }
    }
    const listening = listen().catch((error: unknown) => {
      if (call.cancelled) return
      if (error instanceof ServiceError && error.code === 'stale_epoch') return opened.goAway('superseded')
      throw error
    })
    await Promise.race([listening, ended.promise])
  } finally {
    for (const cleanup of cleanups) cleanup()
    if (session) {
      session.turns.close()
      if (sessions.get(hostId) === session) sessions.delete(hostId)
      await closeHostSession({ ctx, input: session })
      log.info({ epoch: String(session.epoch) }, 'host session ended')
    }
  }
}

const silent = () => new ServiceError(408, 'session_silent', 'Nothing was heard.', { retryable: true })

async function firstHello(messages: AsyncIterator<AgentMessage>): Promise<Hello> {
  const first = await messages.next()
  if (first.done || first.value.body?.$case !== 'hello') throw invalidInput('The first message is Hello.')
  const { hello } = first.value.body
  if (!hello.protocolVersions.includes(protocolVersion)) {
    throw invalidInput('No common protocol version.', 'protocol_version')
  }
  return hello
}
