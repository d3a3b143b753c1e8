import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Database, openDatabase } from './index.ts'
import { createTestDatabase, type TestDatabase } from './testing.ts'

let database: TestDatabase
let through: Database
let wire: Awaited<ReturnType<typeof wireTo>>
beforeEach(async () => {
  database = await createTestDatabase()
  wire = await wireTo(database.url)
  through = openDatabase(wire.url, 1, 3_000)
})
afterEach(async () => {
  wire.close()
  await through.$disconnect()
  await database.close()
})

/** Stands between a pool and its database; what is frozen stays open, and nothing comes through it any more. */
async function wireTo(url: string) {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  let frozen = new WeakSet<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => to.destroy())
      from.on('data', (chunk) => {
        if (!frozen.has(from)) to.write(chunk)
      })
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const own = new URL(url)
  own.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: own.href,
    freeze() {
      frozen = new WeakSet(sockets)
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

const count = () => through.user.count()

test('F8: a statement on a connection that fell silent fails, and the next one has another connection', async () => {
  expect(await count()).toBe(0)
  wire.freeze()
  await expect(count()).rejects.toThrow()
  expect(await count()).toBe(0)
})

test('F8: so does a transaction, and the connection of what it left undone is nobody else’s', async () => {
  const work = through.$transaction(
    async (tx) => {
      await tx.user.create({ data: { email: 'a@example.com' } })
      wire.freeze()
      await tx.user.count()
    },
    { timeout: 20_000 },
  )
  await expect(work).rejects.toThrow()
  expect(await count()).toBe(0)
  expect(await Promise.all([count(), count()])).toEqual([0, 0])
})

test('F8: a connection that does not open is not waited for', async () => {
  const deaf = createServer(() => {})
  await once(deaf.listen(0, '127.0.0.1'), 'listening')
  const { port } = deaf.address() as AddressInfo
  const nobody = openDatabase(`postgresql://u:p@127.0.0.1:${port}/x`, 1, 500)
  await expect(nobody.user.count()).rejects.toThrow()
  await nobody.$disconnect()
  deaf.close()
})
