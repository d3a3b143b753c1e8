import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'

export interface MetricsServer {
  /** The port it listens on. */
  port: number
  close(): Promise<void>
}

/**
 * Serves `GET /metrics` in Prometheus' text format on an address of its own, so that no route to the public port can
 * reach it. Rejects when the port is taken.
 */
export async function serveMetrics(input: {
  registry: Registry
  address: string
  /** 0 = any free one. */
  port: number
}): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    input.registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': input.registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(input.port, input.address, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
