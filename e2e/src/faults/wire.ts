import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

/** A wire that can be cut: plain TCP between a host and the control plane's gRPC port. */
export interface Wire {
  port: number
  /** Ends every connection and refuses new ones. */
  cut(): void
  /** Keeps every connection open and passes nothing on, in either direction: half-open. New ones are taken the same way. */
  freeze(): void
  /** Passes everything on again; what a frozen connection held back is lost with the connection. */
  mend(): void
  close(): Promise<void>
}

export async function startWire(target: () => number): Promise<Wire> {
  const sockets = new Set<Socket>()
  let state: 'whole' | 'cut' | 'frozen' = 'whole'

  const server = createServer((near) => {
    if (state === 'cut') return near.destroy()
    const far = connect(target(), '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.once('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('data', (chunk) => {
        if (state === 'whole') to.write(chunk)
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      state = 'cut'
      endAll()
    },
    freeze() {
      state = 'frozen'
    },
    mend() {
      // A stream that lost bytes in the middle is no stream any more.
      if (state === 'frozen') endAll()
      state = 'whole'
    },
    async close() {
      endAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
