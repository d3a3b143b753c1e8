import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Update } from '@grammyjs/types'

/** Posts to the sandbox and gives back the parsed answer. */
export async function post(url: string, body: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  return response.json()
}

export async function get<T>(url: string): Promise<T> {
  const response = await fetch(url)
  return (await response.json()) as T
}

interface Delivery {
  headers: IncomingHttpHeaders
  update: Update
}

/** A webhook receiver; the test chooses the status of each answer. */
export async function receiver(statusFor: (text: string | undefined) => number = () => 200) {
  const deliveries: Delivery[] = []
  const waiters: { count: number; resolve: () => void }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const update = JSON.parse(Buffer.concat(chunks).toString()) as Delivery['update']
    deliveries.push({ headers: request.headers, update })
    response.writeHead(statusFor(update.message?.text)).end()
    for (const waiter of waiters) if (deliveries.length >= waiter.count) waiter.resolve()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    deliveries,
    /** Resolves once that many deliveries have been made, failed ones included. */
    reached: (count: number) =>
      new Promise<void>((resolve) => {
        if (deliveries.length >= count) resolve()
        else waiters.push({ count, resolve })
      }),
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** A receiver of signed webhooks, which needs the body as it came. */
export async function rawReceiver(statusFor: (body: string) => number = () => 200) {
  const requests: { headers: IncomingHttpHeaders; body: string }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    requests.push({ headers: request.headers, body })
    response.writeHead(statusFor(body)).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    requests,
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
