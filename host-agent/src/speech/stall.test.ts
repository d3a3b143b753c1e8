import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createStall } from './stall.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('F8: what moves on may take as long as it needs, and what stands still is let go of', () => {
  const stall = createStall(60_000)
  for (let minute = 0; minute < 120; minute += 1) {
    vi.advanceTimersByTime(59_999)
    stall.moved(60_000)
  }
  expect(stall.signal.aborted).toBe(false)
  vi.advanceTimersByTime(60_000)
  expect(stall.signal.aborted).toBe(true)
  const done = createStall(60_000)
  done.stop()
  expect(vi.getTimerCount()).toBe(0)
})
