import { createServer } from 'node:net'

/** Below what systems give to connections, which would otherwise take the port before its server does. */
const [first, last] = [10_000, 31_999]

/** A port of loopback that nobody listens on, for a server of a test. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * (last - first + 1))
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
