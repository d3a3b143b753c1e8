import { Resend } from 'resend'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Sandbox, startSandbox } from '../index.ts'
import { get, post } from '../test-support.ts'
import type { Mail } from './mail.ts'

let sandbox: Sandbox
let resend: Resend
const welcome = {
  from: 'YourClaw <hello@example.com>',
  to: 'ada@example.com',
  subject: 'Welcome',
  html: '<h1>Hello</h1><script>alert(1)</script>',
  text: 'Hello',
}
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  resend = new Resend('re_sandbox', { baseUrl: `${sandbox.url}/resend` })
  // The SDK says each refusal on the console as well.
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
beforeEach(() => post(`${sandbox.url}/sim/reset`, {}))
afterAll(() => sandbox.stop())
const mail = (query = '') => get<Mail[]>(`${sandbox.url}/sim/mail${query}`)

test('mail arrives with all of its parts', async () => {
  const { data, error } = await resend.emails.send({
    ...welcome,
    cc: ['Ben <ben@example.com>'],
    replyTo: 'help@example.com',
    headers: { 'List-Unsubscribe': '<https://example.com/u>' },
    tags: [{ name: 'kind', value: 'welcome' }],
    attachments: [{ filename: 'export.zip', content: Buffer.from('zip'), contentType: 'application/zip' }],
  })
  expect(error).toBeNull()
  const [found] = await mail('?to=BEN@example.com')
  expect(found).toMatchObject({
    id: data?.id,
    from: welcome.from,
    to: ['ada@example.com'],
    cc: ['Ben <ben@example.com>'],
    replyTo: ['help@example.com'],
    subject: 'Welcome',
    text: 'Hello',
    headers: { 'List-Unsubscribe': '<https://example.com/u>' },
    attachments: [{ filename: 'export.zip', contentType: 'application/zip', sizeBytes: 3 }],
  })
  expect((await resend.emails.get(data?.id ?? '')).data).toMatchObject({
    subject: 'Welcome',
    last_event: 'delivered',
  })
  const attachment = await fetch(`${sandbox.url}/resend/inbox/${data?.id}/attachments/0`)
  expect(await attachment.text()).toBe('zip')
  expect(await mail('?to=eve@example.com')).toEqual([])
})

test('a batch is taken whole or not at all', async () => {
  expect((await resend.batch.send([welcome, { ...welcome, subject: 'Second' }])).data?.data).toHaveLength(2)
  const { error } = await resend.batch.send([welcome, { ...welcome, to: 'nobody' }])
  expect(error?.name).toBe('validation_error')
  expect(await mail()).toHaveLength(2)
})

describe('an idempotency key', () => {
  test('sends once, and refuses another mail', async () => {
    const send = (more: object) =>
      resend.emails.send({ ...welcome, ...more }, { idempotencyKey: 'welcome/u1' })
    const [first, second] = [await send({}), await send({})]
    expect(second.data?.id).toBe(first.data?.id)
    expect(await mail()).toHaveLength(1)
    expect((await send({ subject: 'Other' })).error).toMatchObject({
      name: 'invalid_idempotent_request',
      statusCode: 409,
    })
  })
})

describe('what Resend refuses', () => {
  test.each([
    ['no recipient', { to: undefined }, 'missing_required_field', 422],
    ['a recipient without an address', { to: ['x'] }, 'validation_error', 422],
    ['a sender without an address', { from: 'us' }, 'invalid_from_address', 422],
    ['no content', { html: undefined, text: undefined }, 'validation_error', 422],
    ['an empty attachment', { attachments: [{ filename: 'x' }] }, 'invalid_attachment', 422],
  ])('%s', async (_, more, name, statusCode) => {
    const { error, data } = await resend.emails.send({ ...welcome, ...more } as typeof welcome)
    expect([data, error]).toMatchObject([null, { name, statusCode }])
    expect(await mail()).toEqual([])
  })

  test('a key that is none, and faults', async () => {
    const stranger = new Resend('sk_other', { baseUrl: `${sandbox.url}/resend` })
    expect((await stranger.emails.send(welcome)).error).toMatchObject({
      name: 'invalid_api_key',
      statusCode: 403,
    })
    await post(`${sandbox.url}/sim/faults`, { provider: 'resend', status: 429, count: 1 })
    expect((await resend.emails.send(welcome)).error).toMatchObject({ name: 'rate_limit_exceeded' })
    expect((await resend.emails.send(welcome)).error).toBeNull()
  })
})

test('contacts are on the list until they are taken off', async () => {
  const { data } = await resend.contacts.create({ email: 'ada@example.com', firstName: 'Ada' })
  await resend.contacts.update({ email: 'ada@example.com', unsubscribed: true })
  expect((await resend.contacts.get({ email: 'ada@example.com' })).data).toMatchObject({
    id: data?.id,
    first_name: 'Ada',
    unsubscribed: true,
  })
  await resend.contacts.remove({ email: 'ada@example.com' })
  expect(await get(`${sandbox.url}/sim/mail/contacts`)).toEqual([])
})

test('the inbox shows mail, whose scripts do not run and whose pictures are not loaded', async () => {
  const { data } = await resend.emails.send({ ...welcome, subject: '<b>Bold</b>' })
  const inbox = await (await fetch(`${sandbox.url}/resend/inbox?to=ada@example.com`)).text()
  expect(inbox).toContain('&lt;b&gt;Bold&lt;/b&gt;')
  expect(await (await fetch(`${sandbox.url}/resend/inbox/${data?.id}`)).text()).toContain('<iframe')
  const shown = await fetch(`${sandbox.url}/resend/inbox/${data?.id}/html`)
  expect(shown.headers.get('content-security-policy')).toMatch(/^sandbox .*default-src 'none'/)
  await post(`${sandbox.url}/sim/reset`, {})
  expect(await (await fetch(`${sandbox.url}/resend/inbox`)).text()).toContain('No mail yet')
})
