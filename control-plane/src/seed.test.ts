import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { inTransaction } from './context.ts'
import { seedDevelopment } from './seed.ts'
import { lastAddress } from './services/conversation/send-notice.ts'
import { openTestApp, type TestApp } from './testing/open-app.ts'

let world: TestApp
beforeAll(async () => {
  world = await openTestApp()
})
afterAll(() => world.close())

test('what is said first to the development’s people goes to Telegram, however fast they are made; who was added later makes their own account', async () => {
  const { deps, sandboxUrl } = world
  const { db, ctx } = deps
  await fetch(`${sandboxUrl}/sim/people`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Nora' }),
  })
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  await seedDevelopment(deps, sandboxUrl)
  vi.useRealTimers()
  expect(await db.user.findMany({ where: { email: 'nora@example.com' } })).toEqual([])
  const people = await db.user.findMany({ include: { phones: true } })
  expect(people.map(({ phones }) => phones.length)).toContain(2)
  for (const { id, email } of people)
    expect(await inTransaction(ctx, (tx) => lastAddress(tx, ctx, id)), email).toMatchObject({
      channel: 'TELEGRAM',
    })
})
