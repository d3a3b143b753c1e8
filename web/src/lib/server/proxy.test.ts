import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { proxyToApi } from './proxy.ts'

let server: Server | undefined
async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
afterEach(async () => {
  server?.closeAllConnections()
  server?.close()
})
const proxy = (apiUrl: string, path: string, init: RequestInit = {}) =>
  proxyToApi({
    request: new Request(`http://web.test${path}`, init),
    apiUrl,
    clientAddress: '203.0.113.7',
    fetch,
  })

test('a request arrives as it was sent, with who asks, and the answer comes back with its cookies', async () => {
  let seen: IncomingMessage | undefined
  let body = ''
  const apiUrl = await serve(async (request, response) => {
    seen = request
    for await (const chunk of request) body += chunk
    response.writeHead(302, {
      location: '/x',
      'set-cookie': ['a=1; HttpOnly', 'b=2'],
      'keep-alive': 'timeout=1',
    })
    response.end()
  })
  const response = await proxy(apiUrl, '/api/v1/things?x=1%2F2', {
    method: 'PUT',
    headers: { cookie: 'session=s', 'x-forwarded-for': '198.51.100.1', 'content-type': 'application/json' },
    body: '{"a":1}',
  })
  expect([seen?.method, seen?.url, body]).toEqual(['PUT', '/api/v1/things?x=1%2F2', '{"a":1}'])
  expect(seen?.headers).toMatchObject({
    cookie: 'session=s',
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-host': 'web.test',
  })
  expect([response.status, response.headers.get('location')]).toEqual([302, '/x'])
  expect(response.headers.getSetCookie()).toEqual(['a=1; HttpOnly', 'b=2'])
  expect(response.headers.has('keep-alive')).toBe(false)
})

test('events pass as they come, and the API hears when the browser leaves', async () => {
  const left = Promise.withResolvers<void>()
  const apiUrl = await serve((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: first\n\n')
    response.on('close', left.resolve)
  })
  const leave = new AbortController()
  const response = await proxy(apiUrl, '/api/v1/events', { signal: leave.signal })
  const reader = response.body?.getReader()
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('data: first\n\n')
  leave.abort()
  await left.promise
})

test('who reads slowly slows the sender down', async () => {
  let sent = 0
  const isFull = Promise.withResolvers<void>()
  const chunk = Buffer.alloc(64 * 1024)
  const apiUrl = await serve((_, response) => {
    const send = () => {
      while (sent < 1_000) {
        sent += 1
        if (!response.write(chunk)) {
          // What a socket and its buffers hold is far less than all of it; then it waits for the reader.
          response.once('drain', send)
          if (sent > 1) isFull.resolve()
          return
        }
      }
      response.end()
    }
    send()
  })
  const response = await proxy(apiUrl, '/api/v1/file')
  await isFull.promise
  expect(sent).toBeLessThan(1_000)
  expect((await response.arrayBuffer()).byteLength).toBe(1_000 * chunk.length)
})

test('O3: an API that is not there is a coded error', async () => {
  const apiUrl = await serve(() => undefined)
  server?.close()
  const response = await proxy(apiUrl, '/api/v1/users/me')
  expect([response.status, await response.json()]).toMatchObject([503, { code: 'api_unreachable' }])
})
