import type { HostServiceClient, ServerMessage, Welcome } from '@yourclaw/proto/host/v1'
import type { Logger } from 'pino'
import { createBackoff, pause } from '../backoff.ts'
import { certificateLife } from '../identity/renewal.ts'
import type { Identity } from '../identity/store.ts'
import type { LiveSession } from '../relay/relay.ts'
import { failureOf } from './failure.ts'
import { createClient, runSession, type SessionHandlers } from './session.ts'

export interface LinkDeps {
  /** The identity to connect with, asked for before every connection. */
  identity: () => Promise<Identity>
  /** Gets a new certificate over a live connection and stores it. */
  renew: (client: HostServiceClient) => Promise<void>
  hello: SessionHandlers['hello']
  capacity: SessionHandlers['capacity']
  connected: (session: LiveSession, send: Parameters<SessionHandlers['welcomed']>[1]) => void
  disconnected: () => void
  message: (body: NonNullable<ServerMessage['body']>, session: LiveSession) => void
  log: Logger
  backoff?: { baseMs: number; maxMs: number; stableMs: number }
}

const defaultBackoff = { baseMs: 500, maxMs: 10_000, stableMs: 30_000 }

/**
 * Keeps one session with the control plane until `stop` aborts.
 * connecting → live (Welcome) → over (GoAway, error, renewed certificate) → pause → connecting.
 * The pause has full jitter and starts small again only after a session that lasted.
 */
export async function keepLink(deps: LinkDeps, stop: AbortSignal): Promise<void> {
  const settings = deps.backoff ?? defaultBackoff
  const backoff = createBackoff(settings)
  while (!stop.aborted) {
    const startedMs = performance.now()
    try {
      const reason = await connectOnce(deps, stop)
      deps.log.info({ reason }, 'session over')
    } catch (error) {
      deps.log.warn(failureOf(error), 'link lost')
    }
    if (performance.now() - startedMs > settings.stableMs) backoff.reset()
    await pause(backoff.nextMs(), stop)
  }
}

async function connectOnce(deps: LinkDeps, stop: AbortSignal): Promise<string> {
  const identity = await deps.identity()
  const client = createClient(identity)
  const over = new AbortController()
  const renewed = new AbortController()
  let session: LiveSession | undefined
  let renewal: Promise<void> | undefined
  const handlers: SessionHandlers = {
    hello: deps.hello,
    capacity: deps.capacity,
    welcomed(welcome: Welcome, send) {
      const { sessionEpoch: epoch, capabilities } = welcome
      session = { epoch, client, capabilities, ended: over.signal }
      deps.log.info({ epoch: String(welcome.sessionEpoch) }, 'session open')
      deps.connected(session, send)
      renewal = renewInTime(deps, client, identity, over.signal, renewed)
    },
    message(body) {
      if (session) deps.message(body, session)
    },
  }
  try {
    return await runSession(client, handlers, AbortSignal.any([stop, renewed.signal]))
  } finally {
    over.abort()
    deps.disconnected()
    // Turns that still stream on this connection finish; nothing new starts on it.
    client.close()
    // One under way ends first: the control plane sends us away for it before its answer is stored here.
    await renewal
  }
}

/** Renews at two thirds of the certificate's life, then ends the session: the next one shows the new certificate. */
async function renewInTime(
  deps: LinkDeps,
  client: HostServiceClient,
  identity: Identity,
  over: AbortSignal,
  renewed: AbortController,
): Promise<void> {
  const { renewAtMs } = certificateLife(identity.certificatePem)
  const backoff = createBackoff({ baseMs: 5_000, maxMs: 300_000 })
  // Timers hold at most 24.8 days; looking once an hour also survives a suspended machine.
  while (!over.aborted && Date.now() < renewAtMs) {
    await pause(Math.min(renewAtMs - Date.now(), 3_600_000), over)
  }
  while (!over.aborted) {
    try {
      await deps.renew(client)
      return renewed.abort()
    } catch (error) {
      deps.log.error(failureOf(error), 'certificate not renewed')
      await pause(backoff.nextMs(), over)
    }
  }
}
