import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createKeyRing } from '../model-gateway/keys.ts'
import { createFakeRuntime } from '../runtime/fake/fake.ts'
import { spec } from '../testing/agent.ts'
import { createReconciler } from './reconciler.ts'
import { isFew } from './strays.ts'

test('F9: a fifth of a host may leave at once, and one always', () => {
  expect([isFew(1, 1), isFew(2, 9), isFew(2, 10), isFew(4, 20), isFew(5, 20)]).toEqual([
    true,
    false,
    true,
    true,
    false,
  ])
})

test('F9: assistants that nobody names leave one at a time, and in number only at an operator’s word', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'strays-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const runtime = createFakeRuntime({ dataDir: dir, modelGatewayUrl: 'http://127.0.0.1:9' })
  const refused = vi.fn()
  const reconciler = createReconciler({
    runtime,
    maxAssistants: 5,
    keys: createKeyRing(),
    log: pino({ level: 'error' }, { write: refused }),
  })
  onTestFinished(async () => {
    await reconciler.stop()
    await runtime.close()
  })
  const name = (count: number, manyMayLeave = false) =>
    reconciler.snapshot(
      Array.from({ length: count }, (_, n) =>
        spec({ assistantId: `a${n}`, userId: `u${n}`, virtualKey: `v${n}` }),
      ),
      [],
      manyMayLeave,
    )
  const held = () => reconciler.observed().map(({ assistantId }) => assistantId)
  name(3)
  await vi.waitUntil(() => held().length === 3)
  name(1)
  await vi.waitUntil(() => refused.mock.calls.length === 1)
  expect(held()).toEqual(['a0', 'a1', 'a2'])
  name(2)
  await vi.waitUntil(() => held().length === 2)
  name(0)
  await vi.waitUntil(() => refused.mock.calls.length === 2)
  expect(reconciler.heldStrays()).toBe(2)
  name(0, true)
  await vi.waitUntil(() => held().length === 0)
  expect(reconciler.heldStrays()).toBe(0)
})
