/**
 * Starts the built server (`pnpm build`) under its public address, ORIGIN. The adapter would take scheme and host from
 * each request's headers, and what a proxy in between made of them decides whether a form is ours.
 */
import type { IncomingMessage, Server } from 'node:http'

const { PORT = '3000', ORIGIN = `http://localhost:${PORT}` } = process.env
const origin = URL.parse(ORIGIN)
if (origin === null || !/^https?:$/.test(origin.protocol)) {
  console.error('Bad settings:\n  ORIGIN: is not an address that begins with http:// or https://')
  process.exit(1)
}
const protocolHeader = 'x-own-protocol'
process.env.PROTOCOL_HEADER = protocolHeader
// A file of 20 MB passes to the API, which has bounds of its own.
process.env.BODY_SIZE_LIMIT ??= '21M'

const built = new URL('./build/index.js', import.meta.url)
const { server }: { server: Server } = await import(built.href)
// Before the adapter's own listener, and before the first connection: nothing was awaited since it listens.
server.prependListener('request', ({ headers }: IncomingMessage) => {
  headers[protocolHeader] = origin.protocol.slice(0, -1)
  headers.host = origin.host
})
