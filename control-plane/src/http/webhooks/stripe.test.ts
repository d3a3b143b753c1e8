import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { serve } from '@hono/node-server'
import { createTestDatabase, type TestDatabase } from '@yourclaw/db/testing'
import { pino } from 'pino'
import Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../../../sandbox/src/index.ts'
import { createApp } from '../../app.ts'
import { type Deps, openDeps } from '../../deps.ts'
import { readEnv } from '../../env.ts'
import { workBilling } from '../../jobs/billing.ts'
import { type MailRunner, workMails } from '../../jobs/mails.ts'
import type { QueueRunner } from '../../jobs/run-queue.ts'
import { plan } from '../../plan.ts'
import { ensureUser } from '../../services/account/ensure-user.ts'
import { payAt } from '../../testing/billing.ts'

let database: TestDatabase
let sandbox: Sandbox
let deps: Deps
let server: ReturnType<typeof serve>
let apiUrl: string
let runners: (QueueRunner | MailRunner)[]
const path = '/api/v1/webhooks/stripe'
const wait = { timeout: 20_000 }

beforeAll(async () => {
  ;[database, sandbox] = await Promise.all([createTestDatabase(), startSandbox({ port: 0 })])
  const env = readEnv({
    NODE_ENV: 'test',
    STRIPE_API_BASE: sandbox.url,
    RESEND_BASE_URL: `${sandbox.url}/resend`,
    WEB_URL: 'https://web.test',
  })
  deps = await openDeps(env, database.url, pino({ enabled: false }))
  runners = [await workBilling({ ...deps, ctx: deps.billing }), workMails(deps)]
  const app = createApp(deps)
  const port = await new Promise<number>((resolve) => {
    server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, (info) => resolve(info.port))
  })
  apiUrl = `http://127.0.0.1:${port}`
  await sim('stripe/webhook', { url: `${apiUrl}${path}`, secret: env.STRIPE_WEBHOOK_SECRET })
})
beforeEach(() => sim('reset'))
afterAll(async () => {
  await sandbox.stop()
  await new Promise((resolve) => server.close(resolve))
  await Promise.all(runners.map((runner) => runner.stop(1_000)))
  await deps.close()
  await database.close()
})

const json = { 'content-type': 'application/json' }
const sim = (to: string, body: object = {}) =>
  fetch(`${sandbox.url}/sim/${to}`, { method: 'POST', headers: json, body: JSON.stringify(body) })

async function signUp() {
  const email = `${crypto.randomUUID()}@example.test`
  const { id } = await deps.db.$transaction((tx) => ensureUser(tx, { email, name: 'Ada' }))
  return { userId: id, email, bearer: await deps.tokens.issue(id, 600) }
}

function call(method: string, to: string, bearer: string, body?: unknown) {
  const headers = { authorization: `Bearer ${bearer}`, ...(body === undefined ? {} : json) }
  const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
  return fetch(`${apiUrl}/api/v1${to}`, { method, headers, ...sent })
}

async function codeOf(answer: Response) {
  const { code } = (await answer.json()) as { code?: string }
  return [answer.status, code]
}

function post(body: string, signature?: string) {
  const headers = { ...json, ...(signature === undefined ? {} : { 'stripe-signature': signature }) }
  return fetch(`${apiUrl}${path}`, { method: 'POST', headers, body })
}

/** As Stripe signs, `ageSeconds` ago. */
function sign(payload: string, { ageSeconds = 0, secret = deps.env.STRIPE_WEBHOOK_SECRET } = {}) {
  const timestamp = Math.floor(Date.now() / 1000) - ageSeconds
  return Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp })
}

const anEvent = (id: string, object: object = { object: 'subscription', id: 'sub_1', customer: 'cus_1' }) =>
  JSON.stringify({ id, type: 'customer.subscription.updated', data: { object } })

test('I4: an event whose signature is missing, wrong, old or another’s is refused, and nothing is stored', async () => {
  const event = anEvent('evt_forged')
  const refused = [403, 'signature_invalid']
  expect(await codeOf(await post(event))).toEqual(refused)
  expect(await codeOf(await post(event, 'noise'))).toEqual(refused)
  expect(await codeOf(await post(event, sign(`${event} `)))).toEqual(refused)
  expect(await codeOf(await post(event, sign(event, { secret: 'whsec_other' })))).toEqual(refused)
  expect(await codeOf(await post(event, sign(event, { ageSeconds: 301 })))).toEqual(refused)
  for (const noise of ['null', '{"id":1}', '[]', anEvent('not an id'), anEvent('evt_x', {})]) {
    expect(await codeOf(await post(noise, sign(noise)))).toEqual([400, 'invalid_input'])
  }
  const huge = 'x'.repeat(10 * 1024 * 1024)
  expect(await codeOf(await post(huge, sign(huge)))).toEqual([413, 'body_too_large'])
  expect(await deps.db.stripeEvent.count()).toBe(0)
  expect((await post(event, sign(event, { ageSeconds: 200 }))).status).toBe(200)
  expect(await deps.db.stripeEvent.count()).toBe(1)
})

test('B1: a payment becomes an assistant and mail, however often its events come and whatever fails on the way', async () => {
  const { userId, email, bearer } = await signUp()
  expect(await codeOf(await call('POST', '/assistants', bearer))).toEqual([402, 'not_entitled'])
  const answer = await call('POST', '/checkout', bearer, {
    model: 'openai/gpt-4o',
    successPath: '/onboarding/hello',
  })
  const { url } = (await answer.json()) as { url: string }
  await sim('stripe/deliveries', { mode: 'send', repeat: 3 })
  expect(await payAt(url)).toBe(303)
  // Read while it is away, Stripe is asked again later.
  await sim('faults', { provider: 'stripe', status: 500, count: 4 })
  const profile = async () =>
    (await (await call('GET', '/users/me', bearer)).json()) as { subscription: unknown }
  await expect.poll(async () => (await profile()).subscription, wait).toMatchObject({ status: 'ACTIVE' })
  const assistant = await call('GET', '/assistants', bearer)
  expect(await assistant.json()).toMatchObject({ status: 'PROVISIONING', model: 'openai/gpt-4o' })
  const unprocessed = () => deps.db.stripeEvent.count({ where: { processedAt: null } })
  await expect.poll(unprocessed, wait).toBe(0)
  expect(await deps.db.creditEntry.count({ where: { userId } })).toBe(1)
  const inbox = async () => {
    const sent = await fetch(`${sandbox.url}/sim/mail?to=${email}`)
    return ((await sent.json()) as { subject: string }[]).map(({ subject }) => subject)
  }
  await expect.poll(inbox, wait).toEqual(['Your trial has begun'])
})

test('S8: of an event it is kept what it is about, and nobody’s name or address', async () => {
  const { bearer, email } = await signUp()
  const { url } = (await (await call('POST', '/checkout', bearer)).json()) as { url: string }
  await payAt(url)
  const types = async () => (await deps.db.stripeEvent.findMany()).map(({ type }) => type)
  await expect.poll(types, wait).toContain('checkout.session.completed')
  const kept = JSON.stringify(await deps.db.stripeEvent.findMany())
  expect(kept).not.toContain(email)
  expect(kept).not.toContain('payer@example.test')
})

test('I6: where Stripe sends the browser back to is a path of the web, and what else is asked must be right', async () => {
  const { bearer } = await signUp()
  const evil = [
    'https://evil.test',
    '//evil.test',
    '/\\evil.test',
    'evil',
    '/ok\r\nx: y',
    '',
    '/a@b',
    '/\t/evil.test',
  ]
  for (const successPath of evil) {
    const answer = await call('POST', '/checkout', bearer, { successPath })
    expect([successPath, ...(await codeOf(answer))]).toEqual([successPath, 400, 'invalid_input'])
  }
  const portal = await call('POST', '/subscription/portal', bearer, { returnPath: '//evil.test' })
  expect(await codeOf(portal)).toEqual([400, 'invalid_input'])
  const unknown = await call('POST', '/checkout', bearer, { model: 'acme/none' })
  expect(await codeOf(unknown)).toEqual([400, 'unknown_model'])
  expect(await codeOf(await call('POST', '/checkout', bearer, '{'))).toEqual([400, expect.any(String)])
  const huge = JSON.stringify({ model: 'x'.repeat(10 * 1024 * 1024) })
  expect(await codeOf(await call('POST', '/checkout', bearer, huge))).toEqual([413, 'body_too_large'])
  expect(await codeOf(await call('POST', '/subscription/portal', bearer))).toEqual([404, 'no_customer'])
  for (const to of ['/subscription/cancel', '/subscription/resume']) {
    expect(await codeOf(await call('POST', to, bearer))).toEqual([404, 'no_subscription'])
  }
  expect(await deps.db.billingAccount.count({ where: { userId: (await signUp()).userId } })).toBe(0)
})

test('I9: a person’s portal, subscription and cancellation are their own', async () => {
  const [one, other] = [await signUp(), await signUp()]
  const { url } = (await (await call('POST', '/checkout', one.bearer)).json()) as { url: string }
  await payAt(url)
  await expect.poll(() => deps.db.subscription.count({ where: { userId: one.userId } }), wait).toBe(1)
  expect(await codeOf(await call('POST', '/subscription/cancel', other.bearer))).toEqual([
    404,
    'no_subscription',
  ])
  expect(await codeOf(await call('POST', '/subscription/portal', other.bearer))).toEqual([404, 'no_customer'])
  expect(await (await call('GET', '/subscription', other.bearer)).json()).toMatchObject({
    status: 'NONE',
    invoices: [],
  })
  expect(await (await call('GET', '/subscription', one.bearer)).json()).toMatchObject({ status: 'ACTIVE' })
})

test('B1: what Stripe’s own command line triggers arrives, whosoever it is', async () => {
  const shim = createRequire(new URL('../../../../sandbox/package.json', import.meta.url)).resolve(
    '@stripe/cli/bin/shim.js',
  )
  const home = await mkdtemp(join(tmpdir(), 'stripe-cli-'))
  // It looks for new versions of itself on the way: nothing is to leave this machine.
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    STRIPE_CLI_TELEMETRY_OPTOUT: '1',
    HTTPS_PROXY: 'http://127.0.0.1:9',
  }
  const events = [
    'checkout.session.completed',
    'customer.subscription.created',
    'customer.subscription.updated',
    'customer.subscription.deleted',
    'invoice.payment_succeeded',
    'invoice.payment_failed',
  ]
  for (const event of events) {
    const parameters = ['trigger', '--api-base', sandbox.url, '--api-key', 'sk_test_1234567890', event]
    await promisify(execFile)(process.execPath, [shim, ...parameters], { env })
  }
  await rm(home, { recursive: true, force: true })
  const deliveries = async () =>
    (await (await fetch(`${sandbox.url}/sim/stripe/deliveries`)).json()) as {
      type: string
      status: number | null
    }[]
  const waiting = async () => (await deliveries()).filter(({ status }) => status === null)
  await expect.poll(waiting, wait).toEqual([])
  const all = await deliveries()
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]))
  expect(all.map(({ type }) => type)).toEqual(expect.arrayContaining(events))
  await expect.poll(() => deps.db.stripeEvent.count({ where: { processedAt: null } }), wait).toBe(0)
}, 90_000)

test('nobody is on the list for news who did not ask, and who leaves it is off', async () => {
  const { userId, email, bearer } = await signUp()
  const listed = async () => {
    const contacts = await fetch(`${sandbox.url}/sim/mail/contacts`)
    return ((await contacts.json()) as { email: string }[]).filter((one) => one.email === email)
  }
  const set = (consent: unknown) => call('PUT', '/users/me/news', bearer, { consent })
  expect(await listed()).toEqual([])
  expect(await codeOf(await set('yes'))).toEqual([400, 'invalid_input'])
  await sim('faults', { provider: 'resend', status: 500, count: 1 })
  expect(await codeOf(await set(true))).toEqual([503, 'mail_unavailable'])
  expect(await deps.db.user.findUnique({ where: { id: userId } })).toMatchObject({ newsConsentAt: null })
  for (const _ of ['once', 'again']) expect((await set(true)).status).toBe(200)
  expect(await listed()).toHaveLength(1)
  expect(await (await call('GET', '/users/me', bearer)).json()).toMatchObject({ news: true })
  for (const _ of ['once', 'again']) expect((await set(false)).status).toBe(200)
  expect(await listed()).toEqual([])
})

test('B7: the plan that everybody can read is the one that is charged, granted and mailed', async () => {
  const answer = await fetch(`${apiUrl}/api/v1/plan`)
  const { deletionNoticeDays: _, leftoverDays: __, ...shown } = plan
  expect(await answer.json()).toEqual({
    ...shown,
    messagesPerDay: deps.env.RATE_LIMIT_PER_DAY,
    messagesPerMinute: deps.env.RATE_LIMIT_PER_MINUTE,
  })
})
