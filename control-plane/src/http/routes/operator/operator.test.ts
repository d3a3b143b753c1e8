import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../../app.ts'
import { runOperator } from '../../../cli/operator/run.ts'
import { type Deps, openDeps } from '../../../deps.ts'
import { readEnv } from '../../../env.ts'
import { createOutbox } from '../../../jobs/deliveries.ts'
import { ensureUser } from '../../../services/account/ensure-user.ts'

let database: TestDatabase
let deps: Deps
let app: ReturnType<typeof createApp>
beforeAll(async () => {
  database = await createTestDatabase()
  const env = readEnv({ NODE_ENV: 'test', OPERATOR_EMAILS: 'Op@example.test, other@example.test' })
  deps = await openDeps(env, database.url, pino({ enabled: false }))
  app = createApp(deps)
})
afterAll(async () => {
  await deps.close()
  await database.close()
})

async function signUp(email: string) {
  const { id } = await deps.db.$transaction((tx) => ensureUser(tx, { email, name: '' }))
  const bearer = await deps.tokens.issue(id, 60)
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
  const call = async (method: string, path: string, body?: unknown) => {
    const init = {
      method,
      headers,
      ...(body !== undefined && method !== 'GET' && { body: JSON.stringify(body) }),
    }
    const response = await app.request(`/api/v1/operator${path}`, init)
    return { status: response.status, body: JSON.parse(await response.text()) }
  }
  return { id, email, call }
}

/** Somebody with a ready assistant on a host of that name. */
async function tenant(host: string) {
  const person = await signUp(`${crypto.randomUUID()}@example.test`)
  const { id: hostServerId } = await deps.db.hostServer.create({ data: { name: host, maxContainers: 5 } })
  const ready = { status: 'READY', desired: 'PRESENT', hostServerId } as const
  await deps.db.assistant.update({ where: { userId: person.id }, data: ready })
  return person
}

/** The command, as an operator types it. */
async function operator(...argv: string[]) {
  const said = { out: '', err: '' }
  const code = await runOperator({
    argv,
    env: { NODE_ENV: 'test', DATABASE_URL: database.url },
    out(line) {
      said.out += `${line}\n`
    },
    err(line) {
      said.err += `${line}\n`
    },
  })
  return { code, ...said }
}

test('I9: the operator API is closed to everybody who is no operator, with one code', async () => {
  const { call } = await signUp('nobody@example.test')
  const page = (await (await app.request('/api/v1/openapi.json')).json()) as { paths: Record<string, object> }
  const routes = Object.entries(page.paths).filter(([path]) => path.startsWith('/api/v1/operator/'))
  expect(routes.length).toBeGreaterThan(10)
  for (const [path, methods] of routes) {
    for (const method of Object.keys(methods)) {
      const route = path.replace('/api/v1/operator', '').replace(/\{.*?\}/g, 'x')
      expect([path, await call(method.toUpperCase(), route, {})]).toEqual([
        path,
        { status: 403, body: { detail: expect.any(String), code: 'not_an_operator' } },
      ])
    }
  }
  expect(await call('GET', '/nothing')).toMatchObject({ status: 403 })
})

test('an operator joins, cordons and revokes hosts, and each change is in the audit', async () => {
  const { call } = await signUp('op@example.test')
  const { status, body } = await call('POST', '/join-tokens', { hostName: 'h1' })
  expect([status, body]).toEqual([201, { token: expect.any(String), expiresAt: expect.any(String) }])
  await tenant('h1')
  expect((await call('GET', '/hosts')).body.hosts).toMatchObject([
    { name: 'h1', state: 'ACTIVE', isConnected: false, capacity: 5, lastSeen: null },
  ])
  expect((await call('POST', '/hosts/h1/cordon')).body.hosts).toMatchObject([{ state: 'CORDONED' }])
  expect((await call('POST', '/hosts/h1/uncordon')).body.hosts).toMatchObject([{ state: 'ACTIVE' }])
  expect((await call('POST', '/hosts/h1/revoke')).body.hosts).toMatchObject([{ state: 'REVOKED' }])
  expect(await call('POST', '/hosts/h1/cordon')).toMatchObject({
    status: 409,
    body: { code: 'host_revoked' },
  })
  expect(await call('POST', '/hosts/h2/cordon')).toMatchObject({
    status: 404,
    body: { code: 'unknown_host' },
  })
  expect(await call('POST', '/join-tokens', { hostName: '../etc' })).toMatchObject({
    status: 400,
    body: { code: 'invalid_host_name' },
  })
  const audit = await deps.db.auditEvent.findMany({ orderBy: { createdAt: 'asc' } })
  expect(audit.map(({ actor, action }) => `${actor} ${action}`)).toEqual([
    'operator:op@example.test join_token.created',
    'operator:op@example.test host.cordoned',
    'operator:op@example.test host.uncordoned',
    'operator:op@example.test host.revoked',
  ])
})

test('an operator suspends and resumes an assistant with a reason, and credits its owner once a reference', async () => {
  const { call } = await signUp('other@example.test')
  const { id, email } = await tenant('h3')
  expect(await call('POST', `/assistants/${email}/suspend`, { reason: '' })).toMatchObject({ status: 400 })
  const why = { reason: 'abuse report' }
  expect((await call('POST', `/assistants/${email}/suspend`, why)).body).toEqual({ changed: true })
  expect((await call('POST', `/assistants/${id}/suspend`, why)).body).toEqual({ changed: false })
  expect((await call('GET', '/assistants?suspended=true')).body.assistants).toMatchObject([
    { userId: id, email, status: 'READY', host: 'h3', suspendedFor: ['operator'] },
  ])
  const gift = { amountMicros: 2_500_000, reference: 'T-1', reason: 'sorry' }
  expect((await call('POST', `/users/${id}/credit`, gift)).body).toEqual({ isNew: true })
  expect((await call('POST', `/users/${id}/credit`, gift)).body).toEqual({ isNew: false })
  expect(await call('POST', `/users/${id}/credit`, { ...gift, amountMicros: 2e9 })).toMatchObject({
    status: 400,
    body: { code: 'invalid_amount' },
  })
  expect(await deps.db.creditEntry.findMany({ where: { userId: id } })).toMatchObject([
    { amountMicros: 2_500_000n, reference: 'operator:T-1' },
  ])
  await call('POST', `/assistants/${id}/resume`, { reason: 'settled' })
  const inspected = await call('GET', `/assistants/${email}`)
  expect(inspected.body).toMatchObject({
    email,
    status: 'READY',
    changes: [{ kind: 'RESUME' }, { kind: 'SUSPEND' }],
    audit: [
      { action: 'assistant.resumed', reason: 'settled' },
      { action: 'user.credited', reason: 'sorry' },
      { action: 'assistant.suspended', reason: 'abuse report' },
    ],
  })
  expect(await call('GET', '/assistants/nobody')).toMatchObject({
    status: 404,
    body: { code: 'unknown_user' },
  })
})

test('what was given up is listed and sent again', async () => {
  const { call } = await signUp('op@example.test')
  const { id: userId } = await signUp(`${crypto.randomUUID()}@example.test`)
  const to = { channel: 'TELEGRAM', address: '77' } as const
  const message = { ...to, direction: 'OUTBOUND', body: 'x', seq: 1n, state: 'FAILED', userId } as const
  const { id } = await deps.db.message.create({ data: message })
  await deps.db.$transaction((tx) => createOutbox(deps.boss).bury(tx, to, id))
  const { deadLetters } = (await call('GET', '/dead-letters')).body
  expect(deadLetters).toMatchObject([{ messageId: id, channel: 'TELEGRAM' }])
  const resend = () => call('POST', `/dead-letters/${deadLetters[0].id}/resend`)
  expect(await resend()).toMatchObject({ status: 200, body: { resent: true } })
  expect(await resend()).toMatchObject({ status: 404, body: { code: 'unknown_dead_letter' } })
  expect(await call('POST', '/dead-letters/x/resend')).toMatchObject({ status: 400 })
})

test('the command does the same: tables for people, JSON for programs, codes and help for mistakes', async () => {
  const { email } = await tenant('cli-host')
  const [hosts, json, help, unknown, noReason, refused, bad, suspended] = await Promise.all([
    operator('hosts', 'list'),
    operator('hosts', 'list', '--json'),
    operator('assistants', 'suspend', '--help'),
    operator('hosts', 'explode', 'cli-host'),
    operator('assistants', 'suspend', email),
    operator('hosts', 'revoke', 'nobody'),
    operator('users', 'credit', email, '--dollars', '1e9', '--reference', 'r', '--reason', 'x'),
    operator('assistants', 'suspend', email, '--reason', 'why not'),
  ])
  expect(hosts.out).toMatch(/^HOST +STATE +ASSISTANTS/)
  expect(hosts.out).toMatch(/cli-host +ACTIVE, away +0\/5/)
  expect(JSON.parse(json.out).hosts).toContainEqual(expect.objectContaining({ name: 'cli-host' }))
  expect(help.out).toContain('usage: operator assistants suspend USER --reason TEXT')
  expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('operator hosts revoke NAME')])
  expect([noReason.code, noReason.err]).toEqual([2, expect.stringContaining('--reason')])
  expect([refused.code, refused.err]).toEqual([1, 'unknown_host: There is no host of that name.\n'])
  expect([bad.code, bad.err]).toEqual([1, expect.stringMatching(/^invalid_amount: /)])
  expect([suspended.code, suspended.out]).toEqual([0, 'Suspended.\n'])
  const audit = await deps.db.auditEvent.findFirst({
    where: { action: 'assistant.suspended' },
    orderBy: { createdAt: 'desc' },
  })
  expect(audit?.actor).toMatch(/^operator:.*cli$/)
})
