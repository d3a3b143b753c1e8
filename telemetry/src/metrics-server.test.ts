import { Counter, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { serveMetrics } from './metrics-server.ts'

test('O2: figures are served on a port of their own, and nothing else is', async () => {
  const registry = new Registry()
  new Counter({ name: 'things_total', help: 'Things.', registers: [registry] }).inc(3)
  const server = await serveMetrics({ registry, address: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${server.port}`
  expect(await (await fetch(`${url}/metrics`)).text()).toContain('things_total 3')
  expect((await fetch(`${url}/`)).status).toBe(404)
  expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(404)
  await expect(serveMetrics({ registry, address: '127.0.0.1', port: server.port })).rejects.toThrow(
    'EADDRINUSE',
  )
  await server.close()
})
