import { randomUUID } from 'node:crypto'
import { tablesMentioning } from '@yourclaw/db/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestApp, type TestApp } from '../testing/open-app.ts'

/*
 * Walks every route of the OpenAPI document, so that one that is added is walked too: by nobody, by somebody with
 * another person's ids wherever a route takes one, and with bodies that no route wants.
 */
let world: TestApp
interface Route {
  method: string
  path: string
  operation: { security?: object[]; requestBody?: { content: Record<string, { schema: Schema }> } }
}
interface Schema {
  type?: string | string[]
  enum?: unknown[]
  format?: string
  properties?: Record<string, Schema>
}
let routes: Route[]

beforeAll(async () => {
  // Many routes, few people: what limits them is proved elsewhere.
  world = await openTestApp()
  const page = (await (await world.call('GET', '/openapi.json')).json()) as {
    paths: Record<string, Record<string, Route['operation']>>
  }
  const paths = Object.entries(page.paths).filter(([path]) => path.startsWith('/api/v1'))
  routes = paths.flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: path.replace('/api/v1', ''),
      operation,
    })),
  )
  expect(routes.length).toBeGreaterThan(20)
})
afterAll(() => world.close())

type Person = Awaited<ReturnType<TestApp['signUp']>>

/** Streams have no end of their own. */
const isStream = ({ path }: Route) => path.endsWith('/events')
const isPublic = ({ operation }: Route) => operation.security?.length === 0

async function ask(
  { method, path }: Pick<Route, 'method' | 'path'>,
  options: Parameters<TestApp['call']>[2],
) {
  const response = await world.call(method, path, options)
  const text = isStream({ path } as Route) && response.ok ? '' : await response.text()
  if (text === '') await response.body?.cancel().catch(() => {})
  return { status: response.status, text }
}

/** Fills what a route takes from outside with the victim's own. */
function withIdsOf(victim: Person & { exportId: string; fileId: string }, { path }: Route): string {
  return path.replace(/\{(\w+)\}/g, (_, name) => {
    if (name === 'channel') return 'TELEGRAM'
    if (name === 'provider') return 'OPENAI'
    if (path.startsWith('/files/')) return victim.fileId
    return path.startsWith('/exports/') ? victim.exportId : victim.id
  })
}

/** A body of the right shape, in which every text that could be an id is the victim's. */
function bodyOf(victim: Person, { operation }: Route): unknown {
  const schema = operation.requestBody?.content['application/json']?.schema
  if (schema === undefined) return undefined
  const make = (one: Schema): unknown => {
    if (one.enum) return one.enum[0]
    const [type] = [one.type].flat()
    if (type === 'object')
      return Object.fromEntries(
        Object.entries(one.properties ?? {}).map(([key, value]) => [key, make(value)]),
      )
    if (type === 'string') return victim.id
    if (type === 'boolean') return true
    return type === 'array' ? [victim.id] : 1
  }
  return { ...(make(schema) as object), userId: victim.id, id: victim.id, user_id: victim.id }
}

/** Somebody with something of theirs behind every route. */
async function createVictim() {
  const { db, vault } = world.deps
  const victim = await world.signUp()
  const { id: userId } = victim
  const secret = `secret-${randomUUID()}`
  const address = String(Math.floor(Math.random() * 1e12))
  await db.user.update({ where: { id: userId }, data: { name: secret } })
  await db.userPhone.create({ data: { userId, channel: 'TELEGRAM', address } })
  await db.message.create({
    data: {
      userId,
      direction: 'INBOUND',
      channel: 'TELEGRAM',
      address,
      body: secret,
      seq: 1n,
      state: 'ANSWERED',
    },
  })
  await db.usageDaily.create({ data: { userId, date: new Date(), inboundCount: 77_777 } })
  await db.subscription.create({ data: { userId, status: 'ACTIVE' } })
  await db.creditEntry.create({ data: { userId, amountMicros: 77_777n, reason: secret, reference: secret } })
  await db.apiKey.create({ data: { userId, provider: 'OPENAI', encryptedKey: await vault.seal(secret) } })
  const { id: exportId } = await db.export.create({
    data: {
      userId,
      status: 'READY',
      keyEncrypted: 'sealed',
      finishedAt: new Date(),
      expiresAt: new Date(Date.now() + 60_000),
    },
  })
  const { id: fileId } = await db.attachment.create({
    data: {
      userId,
      kind: 'DOCUMENT',
      name: secret,
      mimeType: 'text/plain',
      state: 'STORED',
      keyEncrypted: 'sealed',
      expiresAt: new Date(Date.now() + 60_000),
    },
  })
  const secrets = [secret, userId, victim.email, address, '77777', exportId, fileId]
  return { ...victim, exportId, fileId, secrets }
}

/** Every row of somebody, whatever the table; not those of others that quote an id. */
async function rowsOf(userId: string): Promise<string> {
  const { db } = world.deps
  const tables = await tablesMentioning(db, [userId])
  const rows = await Promise.all(
    tables.map((table) =>
      db.$queryRawUnsafe(
        `SELECT t::text FROM ${table} t WHERE $1 IN (to_jsonb(t)->>'user_id', to_jsonb(t)->>'id') ORDER BY 1`,
        userId,
      ),
    ),
  )
  return JSON.stringify([tables, rows])
}

test('I9: without a credential every route but the public ones is closed, and says nothing', async () => {
  const open: string[] = []
  for (const route of routes) {
    const { status, text } = await ask({ ...route, path: route.path.replace(/\{\w+\}/g, 'TELEGRAM') }, {})
    if (isPublic(route)) open.push(`${route.method} ${route.path}`)
    else expect([route.method, route.path, status]).toEqual([route.method, route.path, 401])
    if (status === 401)
      expect(JSON.parse(text)).toEqual({ detail: expect.any(String), code: expect.any(String) })
  }
  // What is public is public on purpose.
  expect(open.sort()).toEqual([
    'GET /auth/google',
    'GET /auth/google/callback',
    'GET /channels',
    'GET /exports/{id}',
    'GET /files/{id}',
    'GET /health',
    'GET /health/ready',
    'GET /models',
    'GET /plan',
    'POST /hosts/enroll',
  ])
})

test('I9: with another person’s ids in every place, no route shows or changes anything of theirs', async () => {
  const victim = await createVictim()
  const before = await rowsOf(victim.id)
  for (const route of routes) {
    const { bearer } = await world.signUp()
    const path = withIdsOf(victim, route)
    const body = bodyOf(victim, route)
    const query = isStream(route) ? '' : `?${new URLSearchParams({ userId: victim.id, user: victim.id })}`
    const answer = await ask(
      { method: route.method, path: `${path}${query}` },
      { bearer, ...(body === undefined ? {} : { body }) },
    )
    const where = `${route.method} ${route.path}`
    // 503 is a provider that is not there.
    expect([where, answer.status < 500 || answer.status === 503]).toEqual([where, true])
    for (const secret of victim.secrets) expect([where, answer.text.includes(secret)]).toEqual([where, false])
  }
  // What the others did is theirs: only rows that are about the victim count.
  expect(await rowsOf(victim.id)).toBe(before)
})

test('O3: no route answers 5xx or takes anything of a body it does not want', async () => {
  const { db } = world.deps
  const bodies = [
    '{',
    'null',
    '[]',
    '7',
    '"x"',
    '{"__proto__":{"x":1}}',
    '{"channel":"PIGEON","provider":"PIGEON"}',
  ]
  for (const route of routes) {
    if (route.method === 'GET') continue
    const { id, bearer } = await world.signUp()
    const path = route.path.replace(/\{\w+\}/g, 'PIGEON')
    const before = await db.user.findUniqueOrThrow({ where: { id } })
    for (const raw of bodies) {
      const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
      const response = await world.app.request(`/api/v1${path}`, { method: route.method, headers, body: raw })
      const where = [route.method, route.path, raw.slice(0, 20)]
      // A route that needs no body does its work: 503 is a provider that is not there.
      expect([...where, response.status < 500 || response.status === 503]).toEqual([...where, true])
      if (!response.ok)
        expect(await response.json()).toEqual({ detail: expect.any(String), code: expect.any(String) })
      if (response.status === 204 || route.path === '/auth/logout') break
    }
    expect(await db.user.findUniqueOrThrow({ where: { id } })).toEqual(before)
  }
})

test('O3: ten megabytes are too much for every kind of route, whether their length is announced or not', async () => {
  const { bearer } = await world.signUp()
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
  const raw = JSON.stringify({ name: 'x'.repeat(10 * 1024 * 1024) })
  const asked = [
    ['PATCH', '/users/me'],
    ['POST', '/messages'],
    ['POST', '/hosts/enroll'],
    ['POST', '/webhooks/telegram'],
  ] as const
  for (const [method, path] of asked) {
    const announced = { ...headers, 'content-length': String(raw.length) }
    for (const sent of [headers, announced]) {
      const response = await world.app.request(`/api/v1${path}`, { method, headers: sent, body: raw })
      expect([path, response.status, await response.json()]).toEqual([
        path,
        413,
        { detail: expect.any(String), code: 'body_too_large' },
      ])
    }
  }
})
