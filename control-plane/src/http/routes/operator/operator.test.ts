import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../../app.ts'
import { runOperator } from '../../../cli/operator/run.ts'
import { type Deps, openDeps } from '../../../deps.ts'
import { readEnv } from '../../../env.ts'
import { createOutbox } from '../../../jobs/deliveries.ts'
import { ensureUser } from '../../../services/account/ensure-user.ts'
import { createAssistant } from '../../../services/assistant/create-assistant.ts'
import { desiredState } from '../../../services/assistant/desired-state.ts'

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

/** What the host of that name is told of its assistants. */
async function told(name: string) {
  const { id: hostId } = await deps.db.hostServer.findUniqueOrThrow({ where: { name } })
  return desiredState({ ctx: deps.ctx, vault: deps.vault, input: { hostId } })
}

test('F1, S2: limits that an operator gives reach the host, and default takes them back', async () => {
  const { call } = await signUp('op@example.test')
  const { id, email } = await tenant('h-limits')
  const set = (limits: object) => call('POST', `/assistants/${email}/limits`, { limits, reason: 'busy' })
  expect((await told('h-limits'))[0]?.limits).toEqual({
    memoryBytes: 0n,
    cpuMillis: 0,
    pids: 0,
    logBytes: 0n,
  })
  expect((await set({ memoryMb: 4096, cpuMillis: 1500, pids: 800, logMb: 50 })).body).toEqual({
    changed: true,
  })
  expect((await set({ memoryMb: 4096 })).body).toEqual({ changed: false })
  expect((await told('h-limits'))[0]).toMatchObject({
    generation: 1,
    limits: { memoryBytes: 4096n * 2n ** 20n, cpuMillis: 1500, pids: 800, logBytes: 50n * 2n ** 20n },
  })
  for (const limits of [{}, { memoryMb: 100 }, { pids: 1e6 }]) {
    expect(await set(limits)).toMatchObject({ status: 400, body: { code: 'invalid_limit' } })
  }
  // A crash loop for want of memory is tried again with more of it.
  await deps.db.assistant.update({
    where: { userId: id },
    data: { status: 'ERROR', lastErrorCode: 'crash_loop' },
  })
  const raised = await operator('assistants', 'limit', email, '--memory-mb', 'default', '--reason', 'why')
  expect(raised).toMatchObject({ code: 0, out: 'On its way.\n' })
  expect((await operator('assistants', 'limit', email, '--pids', 'many', '--reason', 'why')).err).toMatch(
    /^invalid_limit: /,
  )
  expect((await call('GET', `/assistants/${email}`)).body).toMatchObject({
    status: 'PROVISIONING',
    limits: { memoryMb: null, cpuMillis: 1500, pids: 800, logMb: 50 },
    changes: [{ kind: 'LIMITS', generation: 2 }, { kind: 'LIMITS' }],
  })
})

test('S9, F5: new assistants run the image that is pinned by its digest; those that are there are rolled to it', async () => {
  const { call } = await signUp('op@example.test')
  const one = `registry.example.test/claw@sha256:${'1'.repeat(64)}`
  const two = `sha256:${'2'.repeat(64)}`
  const people = await Promise.all([tenant('h-image'), tenant('h-image-2')])
  for (const image of ['yourclaw-openclaw:latest', `claw:latest@sha256:12`, '']) {
    expect(await call('POST', '/images', { image, reason: 'x' })).toMatchObject({
      status: 400,
      body: { code: 'invalid_image' },
    })
  }
  expect((await call('POST', '/images', { image: one, reason: 'release' })).body).toEqual({ changed: true })
  expect((await call('POST', '/images', { image: one, reason: 'release' })).body).toEqual({ changed: false })
  const fresh = await signUp(`${crypto.randomUUID()}@example.test`)
  await deps.db.subscription.create({ data: { userId: fresh.id, status: 'ACTIVE' } })
  await createAssistant({ ctx: deps.ctx, vault: deps.vault, input: { userId: fresh.id } })
  expect(await deps.db.assistant.findUnique({ where: { userId: fresh.id } })).toMatchObject({ image: one })
  // Nobody else is moved by that.
  expect((await told('h-image'))[0]).toMatchObject({ generation: 0, image: '' })
  expect((await call('POST', '/images/roll', { host: 'h-image', count: 10 })).body).toEqual({
    rolled: 1,
    left: 0,
  })
  expect((await told('h-image'))[0]).toMatchObject({ generation: 1, image: one })
  expect((await told('h-image-2'))[0]).toMatchObject({ image: '' })
  const [, second] = people
  expect((await operator('images', 'pin', two, '--reason', 'next')).out).toBe('Pinned.\n')
  expect(await operator('images', 'roll', '--count', '1', '--user', second.email)).toMatchObject({
    out: '1 on their way; 0 still run another image.\n',
  })
  expect((await operator('images', 'roll', '--count', 'all')).code).toBe(1)
  expect((await operator('images', 'list')).out).toMatch(
    new RegExp(`pinned +1 +${two}[\\s\\S]*- +2 +${one.replaceAll('.', '\\.')}`),
  )
  expect((await operator('images', 'pin', 'default', '--reason', 'back')).code).toBe(0)
  expect((await call('POST', '/images/roll', { count: 10 })).body).toEqual({ rolled: 3, left: 0 })
  expect((await told('h-image'))[0]).toMatchObject({ generation: 2, image: '' })
})

test('what was given up is listed and sent again', async () => {
  const { call } = await signUp('op@example.test')
  const { id: userId } = await signUp(`${crypto.randomUUID()}@example.test`)
  const to = { channel: 'TELEGRAM', address: '77' } as const
  const message = { ...to, direction: 'OUTBOUND', body: 'x', seq: 1n, state: 'FAILED', userId } as const
  const { id } = await deps.db.message.create({ data: message })
  const part = { messageId: id, userId, ...to, part: 0, payload: { text: 'x' }, state: 'DEAD' } as const
  await deps.db.delivery.create({ data: { ...part, lastErrorCode: 'twilio_63024' } })
  await deps.db.$transaction((tx) => createOutbox(deps.boss).bury(tx, to, id))
  const { deadLetters } = (await call('GET', '/dead-letters')).body
  const why = { code: 'twilio_63024', meaning: 'nobody on WhatsApp has this address' }
  expect(deadLetters).toMatchObject([{ messageId: id, channel: 'TELEGRAM', ...why }])
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
