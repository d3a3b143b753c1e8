import { setTimeout as delay } from 'node:timers/promises'
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { AgentMessage, Hello, ServerMessage } from '@yourclaw/proto/host/v1'
import { hostRevoked, invalidInput, ServiceError, unauthenticated } from '../errors.ts'
import { shareLooks } from '../lib/shared-look.ts'
import type { FleetDeps } from './deps.ts'
import { handOverCapability } from './hand-over.ts'
import { type SessionOperations, sessionOperations } from './operations.ts'
import { sessionSpending } from './spending.ts'
import { writeTo } from './stream.ts'
import type { PeerHost, PeerTrust } from './trusted-peers.ts'
import { turnFilesCapability } from './turn-files.ts'
import { type SessionTurns, sessionTurns } from './turns.ts'

/*
 * HELLO  the agent has connected and must say Hello within helloMs
 * OPEN   Welcome and Snapshot are sent; Deltas and StartTurns follow
 * ENDED  by the agent, by silence, at the certificate's end, or with GoAway (superseded, revoked, renewed, draining)
 * The session whose epoch stands in host_sessions is the host's only one; every other ends as soon as it notices.
 */
type Call = ServerDuplexStream<AgentMessage, ServerMessage>
type Body = NonNullable<ServerMessage['body']>

export interface Session {
  hostId: string
  epoch: bigint
  turns: SessionTurns
  operations: SessionOperations
  /** The agent understands files before a turn's input. */
  takesFiles: boolean
  /** Says GoAway and ends. Never rejects. */
  goAway(reason: 'draining' | 'certificate_renewed' | 'superseded'): Promise<void>
}

const helloMs = 10_000
/** For a revoked host to hear why; one that does not read is not waited for. */
const revokedGraceMs = 300
/** Whoever places, or holds an assistant's lock, is done within some milliseconds, and need not tell us. */
const passedOverMs = { first: 100, most: 5_000 }
const protocolVersion = 1

/** The sessions on this replica, newest of each host. */
export type Sessions = Map<string, Session>

/** Runs a session until it ends; rejects with the reason when that is an error. `trust` hears how its host stands. */
export async function runSession(
  deps: FleetDeps,
  sessions: Sessions,
  call: Call,
  host: PeerHost,
  trust?: PeerTrust,
): Promise<void> {
  const { ctx, hosts, timing } = deps
  const leaseMs = timing.sessionLeaseMs
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
  const write = (message: () => ServerMessage) => {
    sending = sending.then(() => writeTo(call, message()))
    return sending
  }
  const send = (body: Body) => write(() => ({ seq: ++sentSeq, ack: receivedSeq, body }))
  const acknowledge = () => write(() => ({ seq: 0n, ack: receivedSeq, body: undefined }))

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
    receivedSeq = 1n
    clearTimeout(silence)
    const { epoch } = await hosts.openSession({ hostId, replica: deps.replica, leaseMs, ...hello })
    log.info({ epoch: String(epoch), agentVersion: hello.agentVersion }, 'host session opened')
    const turns = sessionTurns(
      deps,
      { hostId, epoch, capabilities: hello.capabilities },
      (startTurn) => send({ $case: 'startTurn', startTurn }),
      (turnId, forget) => send({ $case: 'cancelTurn', cancelTurn: { turnId, forget } }),
    )
    const operations = sessionOperations(
      deps,
      { hostId, epoch, capabilities: hello.capabilities },
      (startOperation) => send({ $case: 'startOperation', startOperation }),
    )
    const opened: Session = {
      hostId,
      epoch,
      turns,
      operations,
      takesFiles: hello.capabilities.includes(turnFilesCapability),
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
    const pushSnapshot = async (removeOrphans = false) => {
      const assistants = await hosts.desiredState({ hostId })
      sent.clear()
      for (const spec of assistants) sent.set(spec.assistantId, spec.generation)
      await send({ $case: 'snapshot', snapshot: { assistants, sharedKeys: deps.sharedKeys, removeOrphans } })
    }
    const pushDelta = async () => {
      const wanted = await hosts.desiredGenerations({ hostId })
      for (const id of sent.keys()) if (!wanted.has(id)) sent.delete(id)
      const assistantIds = [...wanted]
        .filter(([id, generation]) => sent.get(id) !== generation)
        .map(([id]) => id)
      if (assistantIds.length === 0) return
      const assistants = await hosts.desiredState({ hostId, assistantIds })
      for (const spec of assistants) sent.set(spec.assistantId, spec.generation)
      await send({ $case: 'delta', delta: { assistants } })
    }
    /** How the host stands; undefined when this session may not go on, which it is then told. */
    const mayGoOn = async () => {
      const settle = trust?.question()
      const standing = await hosts.standing(host)
      settle?.(standing.isTrusted)
      if (!standing.isTrusted) {
        const told = send({ $case: 'goAway', goAway: { reason: 'revoked' } })
        await Promise.race([told, delay(revokedGraceMs)])
        ended.reject(hostRevoked())
        return undefined
      }
      if (standing.epoch === epoch) return standing
      await opened.goAway('superseded')
      return undefined
    }
    const observe = (observed: Hello['observed'][number]) =>
      hosts.applyObserved({ hostId, sessionEpoch: epoch, observed })

    await send({
      $case: 'welcome',
      welcome: {
        sessionEpoch: epoch,
        protocolVersion,
        capabilities: ['heartbeat-ack', handOverCapability],
        heartbeatIntervalMs: timing.heartbeatIntervalMs,
        sessionTimeoutMs: leaseMs,
      },
    })

    // State goes down one step at a time; a step that fails is logged and left to the sweep.
    let working: Promise<void> = Promise.resolve()
    const failed = (error: unknown) => {
      if (error instanceof ServiceError && error.code === 'stale_epoch') return opened.goAway('superseded')
      log.error({ err: error }, 'session step failed')
    }
    const step = (work: () => Promise<unknown>) => {
      working = working.then(work).then(() => {}, failed)
      return working
    }
    const every = (intervalMs: number, work: () => Promise<unknown>) => {
      const timer = setInterval(() => void step(work), intervalMs)
      cleanups.push(() => clearInterval(timer))
    }
    type Notice = 'changes' | 'turns' | 'stops' | 'operations'
    const onNotice = (topic: Notice, work: () => Promise<unknown>) => {
      const hear = (id: string) => {
        if (id === hostId || id === '') work().catch(failed)
      }
      cleanups.push(deps.notifications.on(topic, hear))
    }
    const push = (standing: { removeOrphans: boolean }) =>
      standing.removeOrphans ? pushSnapshot(true) : pushDelta()
    const spending = sessionSpending({
      hosts,
      hostId,
      tokenRates: deps.tokenRates ?? [],
      send: (spending) => send({ $case: 'spending', spending }),
    })
    let isOver = false
    let placing: NodeJS.Timeout | undefined
    let placeAgainMs = passedOverMs.first
    cleanups.push(() => {
      isOver = true
      clearTimeout(placing)
    })
    const placeWaiting = async () => {
      clearTimeout(placing)
      const { passedOver } = await hosts.placeWaiting()
      if (passedOver && !isOver) placing = setTimeout(() => void step(placeWaiting), placeAgainMs)
      placeAgainMs = passedOver ? Math.min(placeAgainMs * 2, passedOverMs.most) : passedOverMs.first
    }
    // However many changes come at once, one look behind the last of them sees them all.
    let removeOrphans = false
    const lookAtChanges = shareLooks(async () => {
      await step(() => {
        const standing = { removeOrphans }
        removeOrphans = false
        return push(standing)
      })
      await step(spending.refresh)
    })
    const lookAtStanding = shareLooks(mayGoOn)
    // Listen before reading, so that no change falls between. A revocation waits for no step before it.
    onNotice('changes', async () => {
      const standing = await lookAtStanding('')
      if (!standing) return
      removeOrphans ||= standing.removeOrphans
      await lookAtChanges('')
    })
    onNotice('turns', () => step(turns.pump))
    onNotice('operations', () => step(operations.pump))
    onNotice('stops', () => step(turns.stop))
    // Nothing repeats these: a session that cannot begin ends, and the agent's next one tries again.
    const begin = working.then(async () => {
      // It may have been revoked after it was let in and before we listened.
      if (!(await mayGoOn())) return false
      for (const observed of hello.observed) await observe(observed)
      await placeWaiting()
      await pushSnapshot()
      await turns.adopt(hello.heldTurns.map((turn) => turn.turnId))
      return true
    })
    working = begin.then(
      () => {},
      () => {},
    )
    if (!(await begin)) return await ended.promise
    deps.hostsHere.set(hostId, turns)
    cleanups.push(() => {
      if (deps.hostsHere.get(hostId) === turns) deps.hostsHere.delete(hostId)
    })
    void step(turns.pump)
    void step(operations.pump)
    void step(turns.stop)
    every(timing.resyncMs, pushSnapshot)
    every(timing.sweepMs, async () => {
      const standing = await mayGoOn()
      if (!standing) return
      const recount = () => hosts.recount(hostId)
      // One that fails keeps none of the others back.
      for (const work of [recount, placeWaiting, () => push(standing), turns.sweep, operations.pump])
        await work().catch(failed)
    })

    const quiet = endAfter(leaseMs, silent)
    const listen = async () => {
      for (let next = await messages.next(); !next.done; next = await messages.next()) {
        const message = next.value
        quiet.refresh()
        if (message.seq <= receivedSeq) continue
        if (message.seq > receivedSeq + 1n) throw missing()
        switch (message.body?.$case) {
          case 'heartbeat':
            await hosts.heartbeat({
              hostId,
              epoch,
              capacity: message.body.heartbeat.capacity,
              leaseMs,
            })
            break
          case 'usageReport':
            await spending.store(message.body.usageReport)
            break
          case 'keyRefused':
            await hosts.keyRefused({ hostId, refused: message.body.keyRefused })
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
        if (message.body?.$case === 'heartbeat') {
          await acknowledge()
          void step(spending.refresh)
        }
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
      const partials = session.turns.close()
      session.operations.close()
      if (sessions.get(hostId) === session) sessions.delete(hostId)
      await hosts.closeSession({ hostId, epoch: session.epoch, partials })
      log.info({ epoch: String(session.epoch) }, 'host session ended')
    }
  }
}

/** What was lost is not known, and the next session begins with the whole state. */
const missing = () => new ServiceError(409, 'message_missing', 'A message went missing.', { retryable: true })
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
