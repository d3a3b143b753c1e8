import { expect, onTestFinished, test } from 'vitest'
import { createFixture, createPerson } from '../conversation/fixtures.ts'
import { readUsage } from './read-usage.ts'

test('M14: both limits are shown with what is counted and when it is counted no more', async () => {
  const fixture = await createFixture({ perDay: 10, perMinute: 3 })
  onTestFinished(fixture.close)
  const { ctx, clock, db } = fixture
  const { userId, address } = await createPerson(db)
  await db.user.update({ where: { id: userId }, data: { timeZone: 'Asia/Kolkata' } })
  const usage = () => readUsage({ ctx, input: { userId } })
  expect(await usage()).toMatchObject({
    // The person's own midnight.
    today: { inbound: 0, limit: 10, resetsAt: '2026-03-10T18:30:00.000Z' },
    minute: { inbound: 0, limit: 3 },
  })
  expect((await usage()).minute).not.toHaveProperty('resetsAt')
  const first = clock.at
  for (let message = 0; message < 4; message += 1) {
    await fixture.receive(address, `message ${message}`)
    clock.at += 10_000
  }
  // The fourth was refused, and counts for neither.
  expect(await usage()).toMatchObject({
    today: { inbound: 3 },
    minute: { inbound: 3, limit: 3, resetsAt: new Date(first + 60_000).toISOString() },
  })
  clock.at = first + 60_000
  expect((await usage()).minute).toMatchObject({ inbound: 2 })
})
