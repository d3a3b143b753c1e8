import { afterAll, beforeAll, expect, test } from 'vitest'
import { deploy, pendingChanges } from './migrate.ts'
import { administer, createTestDatabase, type TestDatabase } from './testing.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.close())

const model = 'anthropic/claude-sonnet-4-5-20250929'

function createUser() {
  const email = `${crypto.randomUUID()}@example.com`
  return database.db.user.create({
    data: { email, assistant: { create: { model } } },
    include: { assistant: true },
  })
}

test('the migrations lead exactly to schema.prisma, partial indexes included', async () => {
  expect(await pendingChanges(database.url)).toBeNull()
})

test('three replicas that start at once migrate an empty database once', async () => {
  const name = `deploy_${crypto.randomUUID().replaceAll('-', '')}`
  await administer(database.url, `CREATE DATABASE ${name}`)
  const url = new URL(database.url)
  url.pathname = `/${name}`
  const applied = await Promise.all([deploy(url.href), deploy(url.href), deploy(url.href)])
  expect(applied.flat()).not.toHaveLength(0)
  expect(new Set(applied.flat()).size).toBe(applied.flat().length)
  await administer(database.url, `DROP DATABASE ${name} WITH (FORCE)`)
})

test('M2: a provider message id is stored once per channel', async () => {
  const { id: userId } = await createUser()
  const message = {
    userId,
    direction: 'INBOUND',
    channel: 'TELEGRAM',
    address: '1',
    body: 'hi',
    state: 'RECEIVED',
  } as const
  await database.db.message.create({ data: { ...message, providerMessageId: '77', seq: 1n } })
  await expect(
    database.db.message.create({ data: { ...message, providerMessageId: '77', seq: 2n } }),
  ).rejects.toThrow()
})

test('I1: an address has one live binding, and is free again once unbound', async () => {
  const [first, second] = await Promise.all([createUser(), createUser()])
  const binding = { channel: 'TELEGRAM', address: '4711' } as const
  const held = await database.db.userPhone.create({ data: { ...binding, userId: first.id } })
  await expect(database.db.userPhone.create({ data: { ...binding, userId: second.id } })).rejects.toThrow()
  await database.db.userPhone.update({ where: { id: held.id }, data: { unboundAt: new Date() } })
  await database.db.userPhone.create({ data: { ...binding, userId: second.id } })
})

test('M4: an assistant has one PENDING turn, and a RUNNING one needs a session', async () => {
  const { assistant } = await createUser()
  const assistantId = assistant?.id ?? ''
  await database.db.turn.create({ data: { assistantId } })
  await expect(database.db.turn.create({ data: { assistantId } })).rejects.toThrow()
  await expect(database.db.turn.create({ data: { assistantId, state: 'RUNNING' } })).rejects.toThrow()
})

test('B2: a user has one live subscription', async () => {
  const { id: userId } = await createUser()
  await database.db.subscription.create({ data: { userId, status: 'CANCELED' } })
  await database.db.subscription.create({ data: { userId, status: 'ACTIVE' } })
  await expect(database.db.subscription.create({ data: { userId, status: 'PAST_DUE' } })).rejects.toThrow()
})

test('a message has only the states of its direction', async () => {
  const { id: userId } = await createUser()
  const message = {
    userId,
    direction: 'OUTBOUND',
    channel: 'WEB',
    address: userId,
    body: 'hi',
    seq: 1n,
  } as const
  await expect(database.db.message.create({ data: { ...message, state: 'RECEIVED' } })).rejects.toThrow()
})

test('B6: the credit view is the sum of the ledger', async () => {
  const { id: userId } = await createUser()
  const entry = (amountMicros: bigint, reason: string) => ({ userId, amountMicros, reason, reference: '1' })
  await database.db.creditEntry.createMany({
    data: [entry(10_000_000n, 'grant'), entry(-1_234_567n, 'usage')],
  })
  const rows = await database.db
    .$queryRaw`SELECT total_cents, used_cents FROM user_credits WHERE user_id = ${userId}::uuid`
  expect(rows).toEqual([{ total_cents: 1000n, used_cents: 124n }])
})
