import { expect, test } from 'vitest'
import { createPace } from './pace.ts'

test('a pace lets a burst through, then as many as it says, and tells how long to wait', () => {
  const clock = { at: 1_000, now: () => clock.at }
  const pace = createPace(clock, { perSecond: 10, burst: 3 })
  expect([pace.take(), pace.take(), pace.take(), pace.take(), pace.take()]).toEqual([0, 0, 0, 100, 100])
  clock.at += 100
  expect([pace.take(), pace.take()]).toEqual([0, 100])
  clock.at += 60_000
  expect([pace.take(), pace.take(), pace.take(), pace.take()]).toEqual([0, 0, 0, 100])
})
