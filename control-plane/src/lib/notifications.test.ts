import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { inTransaction, nudge } from '../context.ts'
import { listen } from './notifications.ts'

const log = pino({ level: 'silent' })
let database: TestDatabase
beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(() => database.close())

const tell = (id: string) => inTransaction(database, async (tx) => nudge(tx, 'messages', id))

/** Stands between a listener and its database; while `isSilent` connections are taken, and nothing comes through. */
async function wireTo(url: string) {
  const { hostname, port } = new URL(url)
  const sockets: Socket[] = []
  const wire = { isSilent: false, url: '', connections: 0, close: async () => {} }
  const server = createServer((near) => {
    wire.connections += 1
    const far = connect(Number(port), hostname)
    sockets.push(near, far)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('error', () => {})
      from.on('close', () => to.destroy())
      from.on('data', (chunk) => {
        if (!wire.isSilent) to.write(chunk)
      })
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const through = new URL(url)
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  wire.url = through.href
  wire.close = async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return wire
}

test('a connection on which nothing comes any more is given up, and so is one that does not open', async () => {
  const wire = await wireTo(database.url)
  const timing = { reconnectDelayMs: 20, probeMs: 20, patienceMs: 1_000 }
  const notifications = await listen(wire.url, log, undefined, timing)
  const heard: string[] = []
  notifications.on('messages', (id) => void heard.push(id))
  await tell('before')
  await expect.poll(() => heard).toEqual(['before'])
  wire.isSilent = true
  await tell('lost')
  await expect.poll(() => wire.connections, { timeout: 15_000 }).toBeGreaterThanOrEqual(3)
  wire.isSilent = false
  // Everything is looked at, since nobody knows what was lost.
  await expect.poll(() => heard, { timeout: 10_000 }).toContain('')
  await tell('after')
  await expect.poll(() => heard).toContain('after')
  expect(heard).not.toContain('lost')
  await notifications.close()
  await wire.close()
})
