import { afterAll, beforeAll, expect, test } from 'vitest'
import { createVault } from '../../lib/vault.ts'
import { identifyUser } from '../account/identify-user.ts'
import { createFixture, createPerson, type Fixture } from '../conversation/fixtures.ts'
import { models, offeredModels, onOffer } from '../model/catalogue.ts'
import { listPrice } from '../model/price.ts'
import { createAssistant } from './create-assistant.ts'
import { getAssistant } from './get-assistant.ts'
import { moveRetired } from './move-retired.ts'

const vault = createVault(`k1:${Buffer.alloc(32, 7).toString('base64')}`)

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
  await db.user.update({ where: { id: userId }, data: { fallbackModel: 'google/gemini-2.0-flash-lite' } })
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
  const user = await db.user.findUniqueOrThrow({ where: { id: userId } })
  expect(user.fallbackModel).toBe('google/gemini-3.1-flash-lite')
  expect(await moveRetired({ ctx })).toBe(0)
})

test('the default is what people know until it is retired, then its successor, for whoever comes before then too', async () => {
  const { ctx, clock, db } = fixture
  const first = (day: string) => offeredModels(Date.parse(day)).filter((model) => model.default)
  const [old, next] = ['anthropic/claude-sonnet-4-5-20250929', 'anthropic/claude-sonnet-5-5']
  expect(first('2026-11-29')).toMatchObject([{ id: old }])
  expect(first('2026-11-30')).toMatchObject([{ id: next }])
  clock.at = Date.parse('2026-11-26T12:00:00Z')
  // What is about to end is not moved before its day.
  const newcomer = async (email: string, model?: string) => {
    const identity = { issuer: 'https://google.test', subject: email, email }
    const { id: userId } = await identifyUser({ ctx, input: identity })
    await db.subscription.create({ data: { userId, status: 'ACTIVE' } })
    await createAssistant({ ctx, vault, input: { userId, model } })
    return userId
  }
  const modelOf = async (userId: string) => (await getAssistant({ ctx, input: { userId } })).model
  const [plain, picky] = [await newcomer('plain@example.test'), await newcomer('picky@example.test', next)]
  await moveRetired({ ctx })
  expect([await modelOf(plain), await modelOf(picky)]).toEqual([old, next])
  clock.at = Date.parse('2026-11-30T00:00:00Z')
  await moveRetired({ ctx })
  expect([await modelOf(plain), await modelOf(picky)]).toEqual([next, next])
})

test('B4: whatever is offered now or later has a price, and every retirement leads to what is offered', () => {
  for (const day of ['2025-12-01', '2026-11-24', '2027-06-01']) {
    const at = Date.parse(day)
    const offered = offeredModels(at)
    for (const { id } of offered) expect([id, listPrice(id, new Date(at))]).not.toEqual([id, undefined])
    for (const { id } of models) expect(offered.map((model) => model.id)).toContain(onOffer(id, at))
    expect(offered.filter((model) => model.default)).toHaveLength(1)
  }
})
