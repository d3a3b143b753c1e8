import { AssistantSpec, Phase, Presence } from '@yourclaw/proto/host/v1'
import { expect, test } from 'vitest'
import { plan } from './plan.ts'

const spec = (more: Partial<AssistantSpec> = {}) =>
  AssistantSpec.create({
    assistantId: 'a',
    userId: 'u',
    generation: 1,
    presence: Presence.PRESENCE_RUNNING,
    ...more,
  })
const seen = (phase: Phase, applied = spec()) => ({ phase, applied })
const ready = seen(Phase.PHASE_READY)

test('an assistant that runs as desired is left alone', () => {
  expect(plan(spec(), ready)).toBe('none')
  expect(plan(spec({ generation: 2 }), ready)).toBe('report')
})

test('model, token, virtual key and limits change in place; a new process is started only when asked or unavoidable', () => {
  expect(plan(spec({ generation: 2, model: 'openai/gpt-4o' }), ready)).toBe('apply')
  expect(plan(spec({ generation: 2, virtualKey: 'new' }), ready)).toBe('apply')
  expect(plan(spec({ generation: 2, toolsVersion: 'gmail_read' }), ready)).toBe('apply')
  const limits = { memoryBytes: 2n ** 30n, cpuMillis: 500, pids: 100, logBytes: 0n }
  expect(plan(spec({ generation: 2, limits }), ready)).toBe('apply')
  expect(plan(spec({ generation: 2, restartCount: 1 }), ready)).toBe('start')
  expect(plan(spec({ generation: 2, image: 'other' }), ready)).toBe('start')
})

test('a failure is not repeated until the desired state changes', () => {
  expect(plan(spec(), seen(Phase.PHASE_FAILED))).toBe('none')
  expect(plan(spec({ generation: 2 }), seen(Phase.PHASE_FAILED))).toBe('start')
})

test('data is erased only on an explicit ABSENT, and that is confirmed', () => {
  const absent = spec({ generation: 2, presence: Presence.PRESENCE_ABSENT })
  expect(plan(absent, ready)).toBe('erase')
  expect(plan(absent, undefined)).toBe('erase')
  expect(plan(absent, seen(Phase.PHASE_ABSENT, absent))).toBe('none')
  expect(plan(undefined, ready)).toBe('none')
})
