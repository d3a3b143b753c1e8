import type { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../../sandbox/src/index.ts'
import { inTransaction } from '../context.ts'
import { listen, type Notifications } from '../lib/notifications.ts'
import { createMailer } from '../mail/mailer.ts'
import { samples } from '../mail/samples.ts'
import type { MailName } from '../mail/templates.ts'
import { createFixture, type Fixture } from '../services/conversation/fixtures.ts'
import { enqueueMail } from '../services/mail/enqueue-mail.ts'
import { withdrawMail } from '../services/mail/withdraw-mail.ts'
import { openBoss } from './boss.ts'
import { createMailQueues, deadMailQueue, type MailRunner, workMails } from './mails.ts'

let fixture: Fixture
let sandbox: Sandbox
let boss: PgBoss
let notifications: Notifications
let runner: MailRunner

beforeAll(async () => {
  ;[fixture, sandbox] = await Promise.all([createFixture(), startSandbox({ port: 0 })])
  const { ctx, url } = fixture
  boss = await openBoss(url, ctx.log)
  notifications = await listen(url, ctx.log)
  await createMailQueues(boss)
  const mailer = createMailer({
    apiKey: 're_test',
    baseUrl: `${sandbox.url}/resend`,
    from: 'YourClaw <hello@yourclaw.example>',
  })
  runner = workMails({ ctx, boss, mailer, notifications })
})
afterAll(async () => {
  await runner.stop(1_000)
  await notifications.close()
  await boss.stop({ graceful: false })
  await Promise.all([sandbox.stop(), fixture.close()])
})

const wait = { timeout: 20_000 }
const address = () => `${crypto.randomUUID()}@example.test`
const welcome = (to: string, key = `welcome:${to}`) =>
  inTransaction(fixture.ctx, (tx) =>
    enqueueMail({ tx, to, template: 'welcome', props: { name: 'Ada', timeZone: 'UTC' }, key }),
  )
const mailTo = async (to: string) => {
  const answer = await fetch(`${sandbox.url}/sim/mail?to=${encodeURIComponent(to)}`)
  return (await answer.json()) as {
    id: string
    subject: string
    html: string
    text: string
    idempotencyKey: string
  }[]
}
const fault = (rule: object) =>
  fetch(`${sandbox.url}/sim/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ provider: 'resend', ...rule }),
  })

test('a mail is sent once a key, and nothing of the person stays behind', async () => {
  const to = address()
  expect(await Promise.all([welcome(to), welcome(to), welcome(to)])).toContain(true)
  expect(await welcome(to)).toBe(false)
  await expect
    .poll(async () => (await mailTo(to)).map(({ subject }) => subject), wait)
    .toEqual(['Welcome to YourClaw'])
  const [mail] = await mailTo(to)
  expect(mail).toMatchObject({ text: expect.stringContaining('Ada'), html: expect.stringContaining('Ada') })
  const { db } = fixture
  const row = () => db.mail.findUniqueOrThrow({ where: { id: mail?.idempotencyKey ?? '' } })
  await expect.poll(async () => (await row()).sentAt, wait).not.toBeNull()
  expect(await row()).toMatchObject({ recipients: [], props: {} })
})

test('every mail there is comes out of its job into the inbox, plain and as HTML', async () => {
  const to = address()
  const names = Object.keys(samples) as MailName[]
  await inTransaction(fixture.ctx, async (tx) => {
    for (const template of names)
      await enqueueMail({ tx, to, template, props: samples[template], key: `${template}:${to}` })
  })
  await expect.poll(() => mailTo(to), wait).toHaveLength(names.length)
  const mails = await mailTo(to)
  const inbox = await (await fetch(`${sandbox.url}/resend/inbox?to=${to}`)).text()
  for (const { id, subject, html, text } of mails) {
    expect([html.length > 200, text.length > 50]).toEqual([true, true])
    expect(inbox).toContain(`<a href="/resend/inbox/${id}">${subject}</a>`)
  }
  expect(new Set(mails.map(({ subject }) => subject)).size).toBe(names.length)
})

test('what is rolled back is not sent', async () => {
  const to = address()
  const failing = inTransaction(fixture.ctx, async (tx) => {
    const props = { name: '', timeZone: 'UTC' }
    await enqueueMail({ tx, to, template: 'welcome', props, key: to })
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  const other = address()
  await welcome(other)
  await expect.poll(() => mailTo(other), wait).toHaveLength(1)
  expect(await mailTo(to)).toEqual([])
})

test('what is withdrawn is not sent, and may be sent anew', async () => {
  const { ctx, db } = fixture
  await fault({ status: 500, count: 1 })
  const to = address()
  await welcome(to, 'again')
  const state = async () => (await boss.findJobs('mails')).filter(({ state }) => state === 'retry')
  await expect.poll(state, wait).toHaveLength(1)
  expect(await inTransaction(ctx, (tx) => withdrawMail({ tx, key: 'again' }))).toBe(true)
  expect(await inTransaction(ctx, (tx) => withdrawMail({ tx, key: 'again' }))).toBe(false)
  await expect.poll(state, wait).toEqual([])
  expect(await mailTo(to)).toEqual([])
  expect(await welcome(to, 'again')).toBe(true)
  await expect.poll(() => db.mail.count({ where: { sentAt: null } }), wait).toBe(0)
  expect(await mailTo(to)).toHaveLength(1)
  expect(await inTransaction(ctx, (tx) => withdrawMail({ tx, key: 'again' }))).toBe(false)
})

test('a provider that fails, or takes a mail and loses its answer, delays it and doubles nothing', async () => {
  const to = address()
  await fault({ status: 500, count: 1 })
  await welcome(to)
  await expect.poll(() => mailTo(to), { timeout: 25_000 }).toHaveLength(1)
  const next = address()
  await fault({ loseAnswer: true, count: 1 })
  await welcome(next)
  const { db } = fixture
  await expect.poll(() => db.mail.count({ where: { sentAt: null } }), { timeout: 25_000 }).toBe(0)
  expect(await mailTo(next)).toHaveLength(1)
})

test('what a provider refuses for good is a dead letter, and its row keeps the mail', async () => {
  await fault({ status: 422, count: 1 })
  const to = address()
  await welcome(to)
  await expect.poll(() => boss.findJobs(deadMailQueue), wait).toHaveLength(1)
  expect(await mailTo(to)).toEqual([])
  expect(await fixture.db.mail.count({ where: { recipients: { has: to } } })).toBe(1)
})
