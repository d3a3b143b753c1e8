import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../index.ts'
import type { Person } from '../people.ts'
import { get, post } from '../test-support.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterAll(() => sandbox.stop())

test('two people are there from the start; registering updates one and survives reset', async () => {
  const people = () => get<Person[]>(`${sandbox.url}/sim/people`)
  expect((await people()).map(({ telegramUserId }) => telegramUserId)).toEqual([1001, 1002])
  await post(`${sandbox.url}/sim/people`, { email: 'ada@example.com', userId: 'u1', bearer: 'jwt' })
  await post(`${sandbox.url}/sim/people`, { name: 'Cleo' })
  await post(`${sandbox.url}/sim/reset`, {})
  expect(await people()).toMatchObject([
    { name: 'Ada', telegramUserId: 1001, userId: 'u1', bearer: 'jwt' },
    { name: 'Ben', bearer: null },
    { name: 'Cleo', telegramUserId: 1003 },
  ])
})

test('reset empties conversations and mail, ends faults, and keeps what Stripe knows', async () => {
  await post(`${sandbox.url}/telegram/bot1:x/sendMessage`, { chat_id: 1001, text: 'hi' })
  expect(await get(`${sandbox.url}/sim/telegram/1001/messages`)).toHaveLength(1)
  const stripe = (method: string) =>
    fetch(`${sandbox.url}/stripe/v1/customers`, { method, headers: { authorization: 'Bearer sk_test_1' } })
  await stripe('POST')
  const mail = { from: 'a@example.com', to: 'b@example.com', subject: 'Hi', text: 'Hi' }
  const headers = { authorization: 'Bearer re_1', 'content-type': 'application/json' }
  await fetch(`${sandbox.url}/resend/emails`, { method: 'POST', headers, body: JSON.stringify(mail) })
  expect(await get(`${sandbox.url}/sim/mail`)).toHaveLength(1)
  await post(`${sandbox.url}/sim/faults`, { provider: 'stripe', status: 500 })
  await post(`${sandbox.url}/sim/reset`, {})
  expect(await get(`${sandbox.url}/sim/telegram/1001/messages`)).toEqual([])
  expect(await get(`${sandbox.url}/sim/mail`)).toEqual([])
  const customers = await stripe('GET')
  expect([customers.status, await customers.json()]).toMatchObject([200, { data: [{ object: 'customer' }] }])
})

test('bad input says what is wrong', async () => {
  const answer = await post(`${sandbox.url}/sim/telegram/1001/messages`, { text: 'a', photo: true })
  expect(answer).toMatchObject({ code: 'invalid_input', detail: expect.stringContaining('exactly one') })
})

test('the page needs nothing from outside', async () => {
  const page = await (await fetch(sandbox.url)).text()
  expect(page).toContain('<title>')
  expect(page).not.toMatch(/(src|href)=["']https?:/)
  for (const asset of [
    'page.css',
    'page.js',
    'dom.js',
    'talk.js',
    'dialogs.js',
    'links.js',
    'telegram.js',
    'whatsapp.js',
  ]) {
    const response = await fetch(`${sandbox.url}/phone/${asset}`)
    expect([asset, response.status]).toEqual([asset, 200])
    expect(await response.text()).not.toMatch(/https?:\/\/|@import/)
  }
  for (const place of ['/resend/inbox', '/stripe', '/google']) {
    expect(page).toContain(`href="${place}"`)
    const other = await fetch(sandbox.url + place)
    expect([place, other.status]).toEqual([place, 200])
    expect(await other.text()).not.toMatch(/(src|href)=["']https?:/)
  }
})
