import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readEnv } from '../env.ts'
import { type ControlPlane, startControlPlane } from '../start.ts'

let database: TestDatabase
let controlPlane: ControlPlane
let api: string

beforeAll(async () => {
  database = await createTestDatabase()
  const ports = { PORT: '0', GRPC_PORT: '0', METRICS_PORT: '0' }
  const env = readEnv({ NODE_ENV: 'test', TELEGRAM_API_ROOT: 'http://127.0.0.1:1', ...ports })
  controlPlane = await startControlPlane(env, database.url, pino({ enabled: false }))
  api = `http://127.0.0.1:${controlPlane.httpPort}`
})
afterAll(async () => {
  await controlPlane.stop()
  await database.close()
})

const scrape = async () => (await fetch(`http://127.0.0.1:${controlPlane.metricsPort}/metrics`)).text()

test('O2: figures of the process, the queues and the hosts are served apart from the API', async () => {
  await database.db.hostServer.create({
    data: {
      name: 'h1',
      maxContainers: 20,
      currentContainers: 3,
      session: { create: { replica: 'r', epoch: 1n, leaseExpiresAt: new Date(Date.now() + 30_000) } },
    },
  })
  const figures = await scrape()
  for (const line of [
    'yourclaw_open_turns{state="waiting"} 0',
    'yourclaw_oldest_waiting_turn_seconds 0',
    'yourclaw_queue_jobs{queue="deliveries"} 0',
    'yourclaw_queue_jobs{queue="deliveries-dead"} 0',
    'yourclaw_host_connected{host="h1"} 1',
    'yourclaw_host_capacity_assistants{host="h1"} 20',
    'yourclaw_host_assistants{host="h1"} 3',
  ]) {
    expect(figures).toContain(line)
  }
  expect(figures).toMatch(/^process_resident_memory_bytes \d/m)
  expect((await fetch(`${api}/metrics`)).status).toBe(404)
})

test('S8: whatever path and method a stranger makes up, a request adds no label of theirs', async () => {
  for (const path of ['/my-secret', '/api/v1/my-secret', '/api/v1/users/my-secret?phone=my-secret']) {
    for (const method of ['GET', 'POST', 'PROPFIND']) await fetch(api + path, { method })
  }
  await fetch(`${api}/api/v1/models`)
  const figures = await scrape()
  expect(figures).not.toContain('secret')
  expect(figures).not.toContain('PROPFIND')
  expect(figures).toContain(
    'yourclaw_http_request_seconds_count{method="GET",route="/api/v1/models",status="200"} 1',
  )
  expect(figures).toMatch(/yourclaw_http_request_seconds_count\{method="other",route="[^"]*",status="404"\}/)
})

test('O2: a figure that cannot be read is not shown, and the others still are', async () => {
  await database.db.$executeRaw`ALTER TABLE deliveries RENAME TO deliveries_away`
  const figures = await scrape()
  await database.db.$executeRaw`ALTER TABLE deliveries_away RENAME TO deliveries`
  expect(figures).not.toContain('yourclaw_host_connected{')
  expect(figures).toContain('yourclaw_pending_deliveries Nan')
  expect(figures).toContain('yourclaw_http_request_seconds_count')
})
