import { expect, test } from 'vitest'
import { startCollector } from './testing.ts'
import { openTracing } from './tracing.ts'

const given = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const open = (endpoint: string | undefined) => openTracing({ endpoint, service: 'test', instance: 'i' })

test('O1: without a collector the trace context goes on unchanged and nothing is exported', async () => {
  const tracing = await open(undefined)
  const span = tracing.start('work', { parent: given })
  expect(span.traceParent).toBe(given)
  expect(tracing.start('work').traceParent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  span.end()
  await tracing.close()
})

test('O1: spans of one trace reach the collector, flushed at shutdown', async () => {
  const collector = await startCollector()
  const tracing = await open(`${collector.url}/`)
  const outer = tracing.start('outer', { parent: given, kind: 'server', attributes: { n: 1 } })
  const inner = tracing.start('inner', { parent: outer.traceParent, startedAtMs: Date.now() - 5_000 })
  inner.end({ errorCode: 'model_error' })
  outer.end({ attributes: { 'http.route': '/x' } })
  tracing.start('fresh', { parent: 'noise' }).end()
  await tracing.close()
  await collector.stop()

  const spans = new Map(collector.spans.map((span) => [span.name, span]))
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  expect(spans.get('outer')).toMatchObject({
    service: 'test',
    traceId,
    parentSpanId: '00f067aa0ba902b7',
    attributes: { n: 1, 'http.route': '/x' },
  })
  expect(spans.get('inner')).toMatchObject({ traceId, parentSpanId: spans.get('outer')?.spanId })
  expect(spans.get('inner')?.attributes).toEqual({ 'error.type': 'model_error' })
  expect(spans.get('fresh')?.traceId).not.toBe(traceId)
})

test('a caller that does not want to be recorded is not, and its context still goes on', async () => {
  const collector = await startCollector()
  const tracing = await open(collector.url)
  const span = tracing.start('quiet', { parent: given.replace(/01$/, '00') })
  expect(span.traceParent).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-00$/)
  span.end()
  await tracing.close()
  await collector.stop()
  expect(collector.spans).toEqual([])
})

test('O5: a collector that never answers holds no shutdown up', async () => {
  const { createServer } = await import('node:net')
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  const tracing = await open(`http://127.0.0.1:${port}`)
  tracing.start('lost').end()
  await tracing.close()
  silent.close()
})
