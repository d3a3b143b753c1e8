import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { readStatus } from './read-status.ts'

let server: Server | undefined
const now = () => new Date('2026-11-23T10:20:30.000Z')

async function serve(listener: RequestListener): Promise<string> {
  const started = createServer(listener)
  server = started
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`
}

const close = () =>
  new Promise<void>((resolve) => {
    if (!server) return resolve()
    server.closeAllConnections()
    server.close(() => resolve())
    server = undefined
  })

afterEach(close)

it('reads a report from 503 as well as from 200', async () => {
  const apiUrl = await serve((request, response) => {
    response.statusCode = request.url === '/health/ready' ? 503 : 404
    response.end(JSON.stringify({ status: 'down', checks: { database: { ok: false } } }))
  })
  expect(await readStatus({ apiUrl, fetch, now })).toMatchObject({
    state: 'down',
    checks: [{ name: 'database', ok: false }],
  })
})

it('says so when nothing listens', async () => {
  const apiUrl = await serve(() => {})
  await close()
  expect(await readStatus({ apiUrl, fetch, now })).toMatchObject({
    state: 'unreachable',
    reason: 'The connection could not be made.',
  })
})

it('takes an error page for no report', async () => {
  const apiUrl = await serve((_, response) => {
    response.statusCode = 502
    response.end('<h1>Bad gateway</h1>')
  })
  expect(await readStatus({ apiUrl, fetch, now })).toMatchObject({
    state: 'unreachable',
    reason: 'The API answered with HTTP 502.',
  })
})

it('takes a page that is not JSON for no report', async () => {
  const apiUrl = await serve((_, response) => response.end('<h1>Welcome</h1>'))
  expect(await readStatus({ apiUrl, fetch, now })).toMatchObject({ state: 'unreachable', checks: [] })
})
