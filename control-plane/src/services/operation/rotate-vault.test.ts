import { afterEach, beforeEach, expect, test } from 'vitest'
import { listen } from '../../lib/notifications.ts'
import { createVault } from '../../lib/vault.ts'
import { createFixture, createPerson, type Fixture } from '../conversation/fixtures.ts'
import { rotateVault } from './rotate-vault.ts'
import { sealedColumns } from './sealed-columns.ts'

const key = (id: string, fill: number) => `${id}:${Buffer.alloc(32, fill).toString('base64')}`
const oldVault = createVault(key('old', 1))
const vault = createVault(`${key('new', 2)},${key('old', 1)}`)
const newVault = createVault(key('new', 2))
let fixture: Fixture

beforeEach(async () => {
  fixture = await createFixture()
})
afterEach(() => fixture.close())

const rotate = () => rotateVault({ ctx: fixture.ctx, vault, input: { startedBy: 'operator:test' } })
const sumOf = (counts: Record<string, number>) => Object.values(counts).reduce((sum, n) => sum + n, 0)

/** People, each with an assistant and a secret in every table that holds some. */
async function fill(people: number, withVault = oldVault) {
  const { db } = fixture
  for (let n = 0; n < people; n += 1) {
    const { userId } = await createPerson(db)
    const seal = (what: string) => withVault.seal(`${what} of ${userId}`)
    const tokens = { gatewayTokenEncrypted: await seal('token'), virtualKeyEncrypted: await seal('virtual') }
    await db.assistant.update({ where: { userId }, data: tokens })
    await db.apiKey.create({ data: { userId, provider: 'OPENAI', encryptedKey: await seal('key') } })
    const accessTokenEncrypted = await seal('access')
    const refreshTokenEncrypted = await seal('refresh')
    await db.userIntegration.create({
      data: { userId, service: 'calendar', scopes: [], accessTokenEncrypted, refreshTokenEncrypted },
    })
  }
  const keyEncrypted = await withVault.seal('authority')
  await db.certificateAuthority.create({ data: { id: 'hosts', certificatePem: '', keyEncrypted } })
}

test('S7: the list of sealed columns is the one that the schema has', async () => {
  const columns = await fixture.db.$queryRaw<{ name: string }[]>`
    SELECT c.table_name || '.' || c.column_name AS name FROM information_schema.columns c
    WHERE c.table_schema = 'public' AND c.column_name LIKE '%encrypted%' ORDER BY 1`
  const listed = sealedColumns.map(({ table, column }) => `${table}.${column}`)
  expect(listed.toSorted()).toEqual(columns.map(({ name }) => name))
})

test('S7: after a rotation the new key alone opens every secret, and each is still itself', async () => {
  await fill(3)
  const { rotated, unreadable, keys } = await rotate()
  expect([sumOf(rotated), unreadable, [...keys]]).toEqual([16, [], [['new', 16]]])
  for (const { userId, ...assistant } of await fixture.db.assistant.findMany()) {
    const open = (sealed: string | null) => newVault.open(sealed ?? '')
    expect(await open(assistant.gatewayTokenEncrypted)).toBe(`token of ${userId}`)
    expect(await open(assistant.virtualKeyEncrypted)).toBe(`virtual of ${userId}`)
    const [apiKey] = await fixture.db.apiKey.findMany({ where: { userId } })
    expect(await open(apiKey?.encryptedKey ?? null)).toBe(`key of ${userId}`)
    const [integration] = await fixture.db.userIntegration.findMany({ where: { userId } })
    expect(await open(integration?.accessTokenEncrypted ?? null)).toBe(`access of ${userId}`)
    expect(await open(integration?.refreshTokenEncrypted ?? null)).toBe(`refresh of ${userId}`)
  }
  expect(sumOf((await rotate()).rotated)).toBe(0)
  const audited = { actor: 'operator:test', action: 'vault.rotated', subject: 'vault' }
  expect(await fixture.db.auditEvent.count({ where: audited })).toBe(2)
})

test('S7: several rotations at once share the work over many batches and seal nothing twice', async () => {
  const { db } = fixture
  const users = Array.from({ length: 450 }, (_, n) => ({ email: `${n}@example.test` }))
  await db.user.createMany({ data: users })
  const sealed = await oldVault.seal('x')
  const ids = await db.user.findMany({ select: { id: true } })
  await db.apiKey.createMany({
    data: ids.map(({ id: userId }) => ({ userId, provider: 'OPENAI', encryptedKey: sealed })),
  })
  const runs = await Promise.all([rotate(), rotate(), rotate()])
  expect(runs.reduce((sum, { rotated }) => sum + sumOf(rotated), 0)).toBe(450)
  for (const { keys } of runs) expect([...keys]).toEqual([['new', 450]])
})

test('S7: a row that is held is not waited for, who writes it wins, and it is sealed in a later pass', async () => {
  await fill(2)
  const { db } = fixture
  const mine = await db.assistant.findFirstOrThrow()
  const held = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const writer = db.$transaction(async (tx) => {
    const gatewayTokenEncrypted = await oldVault.seal('written meanwhile')
    await tx.assistant.update({ where: { id: mine.id }, data: { gatewayTokenEncrypted } })
    held.resolve()
    await release.promise
  })
  await held.promise
  const rotation = rotate()
  const others = () => db.apiKey.count({ where: { encryptedKey: { startsWith: newVault.newestPrefix } } })
  await expect.poll(others).toBe(2)
  release.resolve()
  await writer
  expect([...(await rotation).keys]).toEqual([['new', 11]])
  const { gatewayTokenEncrypted } = await db.assistant.findUniqueOrThrow({ where: { id: mine.id } })
  expect(await newVault.open(gatewayTokenEncrypted ?? '')).toBe('written meanwhile')
})

test('F8: a host whose claim passed over an assistant is woken when the rotation lets it go', async () => {
  const { db, ctx, url } = fixture
  await fill(2)
  const notifications = await listen(url, ctx.log)
  const woken = new Set<string>()
  notifications.on('turns', (hostId) => void woken.add(hostId))
  await rotate()
  const hosts = (await db.hostServer.findMany()).map(({ id }) => id)
  await expect.poll(() => [...woken].toSorted()).toEqual(hosts.toSorted())
  await notifications.close()
})

test('S7: a secret that no key opens is named, kept, and stops nothing else', async () => {
  await fill(1)
  const { db } = fixture
  const lost = await createVault(key('lost', 3)).seal('x')
  const { id } = await db.apiKey.findFirstOrThrow()
  await db.apiKey.update({ where: { id }, data: { encryptedKey: lost } })
  await db.certificateAuthority.updateMany({ data: { keyEncrypted: 'not sealed at all' } })
  const { unreadable, keys } = await rotate()
  expect(unreadable).toEqual([`api_keys.encrypted_key ${id}`, 'certificate_authorities.key_encrypted hosts'])
  expect(Object.fromEntries(keys)).toEqual({ lost: 1, '': 1, new: 4 })
  expect((await db.apiKey.findUniqueOrThrow({ where: { id } })).encryptedKey).toBe(lost)
})
