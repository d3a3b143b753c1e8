import { ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js'
import type { Clock } from '../context.ts'

export interface PeerHost {
  hostId: string
  serial: string
  notAfter: Date
}

/**
 * Whose the open connections are: a stream that comes on the connection of a trusted session is that host's, and neither
 * its certificate nor the database is asked again. What is not known here has to be asked.
 */
export interface TrustedPeers {
  /** Undefined = ask. */
  hostOf(peer: string): PeerHost | undefined
  /** For one session, which comes on the connection `peer`. */
  open(peer: string, host: PeerHost): PeerTrust
}

/** Begins without trust. */
export interface PeerTrust {
  /**
   * Nothing is known from here on, until what it returns is told what came of asking. An answer that another question
   * overtook counts only when it says no, which is for good.
   */
  question(): (isTrusted: boolean) => void
  /** Forgets the connection, for good. */
  end(): void
}

/** The name of a connection that was gone before it had one. */
const nobody = ''

/** Trust is for `trustMs` after each answer, and for the life of the certificate. */
export function trustedPeers({ clock, trustMs }: { clock: Clock; trustMs: number }): TrustedPeers {
  const trusted = new Map<string, { host: PeerHost; untilMs: number }>()
  return {
    hostOf(peer) {
      const known = trusted.get(peer)
      return known && clock.now() < known.untilMs ? known.host : undefined
    },
    open(peer, host) {
      let own: { host: PeerHost; untilMs: number } | undefined
      let asked = 0
      let ended = false
      // A second session of the same connection may stand in its place by now.
      const forget = () => {
        if (trusted.get(peer) === own) trusted.delete(peer)
      }
      const end = () => {
        ended = true
        forget()
      }
      return {
        question() {
          forget()
          const number = ++asked
          return (isTrusted) => {
            if (!isTrusted) return end()
            if (ended || number !== asked || peer === nobody) return
            own = { host, untilMs: Math.min(clock.now() + trustMs, host.notAfter.getTime()) }
            trusted.set(peer, own)
          }
        },
        end,
      }
    },
  }
}

/**
 * Makes `getPeer()` name the connection with both of its ends: a client may have one port towards two addresses of ours,
 * and two clients behind one address may share it.
 */
export const nameConnections: ServerInterceptor = (_method, call) => {
  const named = new ServerInterceptingCall(call)
  named.getPeer = () => {
    const { remoteAddress, remotePort, localAddress, localPort } = call.getConnectionInfo()
    return remoteAddress && localAddress
      ? `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
      : nobody
  }
  return named
}
