import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFixture, createPerson, type Fixture } from '../conversation/fixtures.ts'
import { offeredModels, successorOf } from '../model/catalogue.ts'
import { listPrice } from '../model/price.ts'
import { moveRetired } from './move-retired.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

test('a retired model is no longer offered, and its users are moved once, with a notice', async () => {
  const { ctx, clock, db } = fixture
  const { userId } = await createPerson(db)
  await db.assistant.update({
    where: { userId },
    data: { model: 'google/gemini-2.0-flash', desired: 'PRESENT' },
  })
  clock.at = Date.parse('2026-05-31T12:00:00Z')
  expect(await moveRetired({ ctx })).toBe(0)
  clock.at = Date.parse('2026-06-02T00:00:00Z')
  expect(offeredModels(clock.at).map(({ id }) => id)).not.toContain('google/gemini-2.0-flash')
  await Promise.all([moveRetired({ ctx }), moveRetired({ ctx }), moveRetired({ ctx })])
  const assistant = await db.assistant.findUniqueOrThrow({ where: { userId } })
  expect(assistant.model).toBe('google/gemini-3.5-flash')
  const notices = await db.message.findMany({ where: { userId, kind: 'NOTICE' } })
  expect(notices.map(({ code }) => code)).toEqual(['model_retired'])
  expect(notices[0]?.body).toContain('Gemini 3.5 Flash')
  expect(await moveRetired({ ctx })).toBe(0)
})

test('B4: whatever is offered now or later has a price, and every retirement leads to what is offered', () => {
  for (const day of ['2025-12-01', '2026-11-24', '2027-06-01']) {
    const at = Date.parse(day)
    const offered = offeredModels(at)
    for (const { id } of offered) expect([id, listPrice(id, new Date(at))]).not.toEqual([id, undefined])
    for (const id of ['openai/gpt-4o', 'google/gemini-2.0-flash-lite']) {
      const now = successorOf(id, at)?.id ?? id
      expect(offered.map((model) => model.id)).toContain(now)
    }
  }
})
