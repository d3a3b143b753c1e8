import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Stripe from 'stripe'
import twilio from 'twilio'
import { expect, test, vi } from 'vitest'
import { type Sandbox, startSandbox, stripeDefaults, twilioDefaults } from './index.ts'
import { get, post, rawReceiver } from './test-support.ts'

const folder = () => join(mkdtempSync(join(tmpdir(), 'sandbox-')), 'state')
const stripeAt = ({ url }: Sandbox) => {
  const { hostname, port } = new URL(url)
  return new Stripe('sk_test_x', { host: hostname, port: Number(port), protocol: 'http' })
}
const twilioAt = ({ url }: Sandbox) => {
  const client = twilio(twilioDefaults.accountSid, twilioDefaults.authToken)
  for (const domain of [client.api, client.content, client.messaging]) domain.baseUrl = `${url}/twilio`
  return client
}
/** Where messages of people are posted to. Its types say otherwise, but the SDK hands a body on as it is. */
async function setWebhook(sandbox: Sandbox, url: string): Promise<void> {
  const client = twilioAt(sandbox)
  const [sender] = await client.messaging.v2.channelsSenders.list({ channel: 'whatsapp' })
  const webhook: object = { callback_url: url }
  await client.messaging.v2.channelsSenders(sender?.sid ?? '').update({ webhook })
}
const chat = `/sim/whatsapp/${encodeURIComponent('whatsapp:+15550001')}`

test('what was paid, said and shown is there after a restart, and goes on', async () => {
  const stateFile = folder()
  const first = await startSandbox({ port: 0, stateFile })
  const stripe = stripeAt(first)
  const customer = await stripe.customers.create({ email: 'ada@example.com' })
  const card = await stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id })
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    default_payment_method: card.id,
    items: [{ price: stripeDefaults.priceId }],
    trial_period_days: 2,
  })
  await post(`${first.url}/sim/people`, { name: 'Nora', email: 'nora@example.com', telegramUserId: 4242 })
  await post(`${first.url}/sim/telegram/4242/messages`, { text: 'hello', username: 'nora' })
  await post(`${first.url}${chat}/messages`, { body: 'look', photo: true })
  const hook = await rawReceiver()
  await setWebhook(first, hook.url)
  const types = { 'twilio/quick-reply': { body: 'Well?', actions: [{ title: 'Yes', id: 'y' }] } }
  const asked = { friendly_name: 'choice', language: 'en', types } as never
  const content = await twilioAt(first).content.v1.contents.create(asked)
  const before = await get<object>(`${first.url}${chat}/conversation`)
  await first.stop()

  const second = await startSandbox({ port: 0, stateFile })
  expect(await get(`${second.url}${chat}/conversation`)).toEqual(before)
  expect(await get<{ name: string }[]>(`${second.url}/sim/people`)).toMatchObject([{}, {}, { name: 'Nora' }])
  const [{ file }] = (before as unknown as { person: [{ file: { url: string } }] }).person
  const picture = Buffer.from(await (await fetch(second.url + file.url)).arrayBuffer())
  expect(picture.subarray(1, 4).toString()).toBe('PNG')
  const { person } = await get<{ person: object[] }>(`${second.url}/sim/telegram/4242/conversation`)
  expect(person).toMatchObject([{ text: 'hello' }])
  await post(`${second.url}${chat}/messages`, { body: 'still there?' })
  await vi.waitFor(() => expect(hook.requests.at(-1)?.body).toContain('still'))
  hook.stop()
  const from = `whatsapp:${twilioDefaults.whatsappNumber}`
  await twilioAt(second).messages.create({ from, to: 'whatsapp:+15550001', contentSid: content.sid })
  const again = stripeAt(second)
  expect((await again.prices.list()).data.map(({ id }) => id)).toEqual([stripeDefaults.priceId])
  expect((await again.subscriptions.retrieve(subscription.id)).status).toBe('trialing')
  // The trial ends, and the card is the same one.
  await post(`${second.url}/sim/stripe/clock`, { advanceSeconds: 3 * 86_400 })
  const renewed = await again.subscriptions.retrieve(subscription.id)
  expect(renewed.status).toBe('active')
  expect(renewed.items.data[0]?.current_period_end).toBeGreaterThan(subscription.trial_end ?? Infinity)
  await second.stop()
})

test('without a file all is forgotten, and a file that cannot be read is begun anew', async () => {
  const stateFile = folder()
  writeFileSync(stateFile, 'torn')
  const sandbox = await startSandbox({ port: 0, stateFile })
  expect(await get<object[]>(`${sandbox.url}/sim/people`)).toHaveLength(2)
  await sandbox.stop()
  // Nothing half-written is left, and what could not be read is not thrown away.
  expect(readdirSync(join(stateFile, '..'))).toEqual(['state', 'state.unreadable'])
})
