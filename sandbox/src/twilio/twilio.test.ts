import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import twilio from 'twilio'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Sandbox, startSandbox, twilioDefaults } from '../index.ts'
import { get, post } from '../test-support.ts'
import type { BusinessEvent } from './chats.ts'
import { inviteContentSid, readyContentSid } from './contents.ts'

let sandbox: Sandbox
let client: twilio.Twilio
const from = `whatsapp:${twilioDefaults.whatsappNumber}`
const ada = 'whatsapp:+15550001'

function connect(authToken: string): twilio.Twilio {
  const made = twilio(twilioDefaults.accountSid, authToken)
  for (const domain of [made.api, made.messaging, made.content]) domain.baseUrl = `${sandbox.url}/twilio`
  return made
}

beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  client = connect(twilioDefaults.authToken)
})
beforeEach(() => post(`${sandbox.url}/sim/reset`, {}))
afterAll(() => sandbox.stop())

const say = (address: string, message: object) =>
  post(`${sandbox.url}/sim/whatsapp/${encodeURIComponent(address)}/messages`, message) as Promise<{
    messageSid: string
  }>
const seen = (address = ada) =>
  get<BusinessEvent[]>(`${sandbox.url}/sim/whatsapp/${encodeURIComponent(address)}/messages`)
const send = (body: string, to = ada) => client.messages.create({ from, to, body })
const refusal = (promise: Promise<unknown>) =>
  promise.catch((error: unknown) => error) as Promise<{ code: number; status: number; moreInfo: string }>

/** A webhook with the SDK's own check of signatures; the test chooses the status of each answer. */
async function receiver(statuses: number[] = []) {
  const taken: { parameters: Record<string, string>; isSigned: boolean }[] = []
  const server = createServer(async (request, response) => {
    const parameters = Object.fromEntries(new URLSearchParams(await text(request)))
    const signature = String(request.headers['x-twilio-signature'])
    const full = `${url}${request.url?.replace(/^\/hook/, '')}`
    taken.push({
      parameters,
      isSigned: twilio.validateRequest(twilioDefaults.authToken, signature, full, parameters),
    })
    response.writeHead(statuses.shift() ?? 200).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  const listen = async (callbackUrl: string) => {
    const [sender] = await client.messaging.v2.channelsSenders.list({ channel: 'whatsapp' })
    // The SDK hands JSON bodies on as they are, and Twilio's names have underscores; its types say otherwise.
    const webhook: object = { callback_url: callbackUrl }
    await client.messaging.v2.channelsSenders(sender?.sid ?? '').update({ webhook })
  }
  const reached = (count: number) => vi.waitFor(() => expect(taken.length).toBeGreaterThanOrEqual(count))
  return { url, taken, listen, reached, stop: () => server.close() }
}

describe('messages', () => {
  test('the SDK sends, fetches and lists, and statuses go to the callback, signed and in order', async () => {
    const hook = await receiver()
    await say(ada, { body: 'hi' })
    const statusCallback = `${hook.url}?delivery=1`
    const sent = await client.messages.create({ from, to: ada, body: 'Hello *Ada*', statusCallback })
    expect(sent).toMatchObject({ status: 'queued', direction: 'outbound-api', body: 'Hello *Ada*' })
    await hook.reached(4)
    expect(hook.taken.map(({ parameters }) => parameters.MessageStatus)).toEqual([
      'queued',
      'sent',
      'delivered',
      'read',
    ])
    expect(hook.taken.every(({ isSigned }) => isSigned)).toBe(true)
    expect((await client.messages(sent.sid).fetch()).status).toBe('read')
    expect((await client.messages.list({ to: ada })).map(({ sid }) => sid)).toEqual([sent.sid])
    expect(await seen()).toMatchObject([{ sid: sent.sid, kind: 'message', status: 'read' }])
    hook.stop()
  })

  test('refusals carry Twilio’s numbers', async () => {
    await say(ada, { body: 'hi' })
    expect(await refusal(send('x'.repeat(1601)))).toMatchObject({
      status: 400,
      code: 21617,
      moreInfo: 'https://www.twilio.com/docs/errors/21617',
    })
    await send('x'.repeat(1600))
    expect(await refusal(send('x', 'whatsapp:me'))).toMatchObject({ code: 21211 })
    expect(
      await refusal(client.messages.create({ from: 'whatsapp:+1999', to: ada, body: 'x' })),
    ).toMatchObject({
      code: 63007,
    })
    expect(await refusal(send(''))).toMatchObject({ code: 21602 })
    expect(await refusal(connect('wrong').messages.list())).toMatchObject({ status: 401, code: 20003 })
    expect(await refusal(client.messages('SM0').fetch())).toMatchObject({ status: 404, code: 20404 })
  })

  test('a day after the last word free text fails with 63016, and a template passes', async () => {
    await say(ada, { body: 'hi' })
    await post(`${sandbox.url}/sim/whatsapp/clock`, { advanceSeconds: 24 * 3600 })
    const late = await send('too late')
    await vi.waitFor(async () =>
      expect(await client.messages(late.sid).fetch()).toMatchObject({ status: 'failed', errorCode: 63016 }),
    )
    const contentVariables = JSON.stringify({ 1: 'Ada' })
    await client.messages.create({ from, to: ada, contentSid: readyContentSid, contentVariables })
    expect((await seen()).at(-1)).toMatchObject({
      kind: 'template',
      contentSid: readyContentSid,
      body: 'Hello Ada, your assistant is ready. Answer this message to begin.',
    })
    await say(ada, { body: 'again' })
    const sent = await send('in time')
    await vi.waitFor(async () => expect((await client.messages(sent.sid).fetch()).status).toBe('read'))
  })

  test('templates can be read, and a wrong one is refused', async () => {
    const content = await client.content.v1.contents(readyContentSid).fetch()
    expect(content).toMatchObject({ friendlyName: 'assistant_ready', variables: { 1: 'there' } })
    expect((await client.content.v1.contents.list()).map(({ sid }) => sid)).toContain(inviteContentSid)
    const wrong = client.messages.create({ from, to: ada, contentSid: `HX${'0'.repeat(32)}` })
    expect(await refusal(wrong)).toMatchObject({ code: 21655 })
    const odd = client.messages.create({
      from,
      to: ada,
      contentSid: readyContentSid,
      contentVariables: '[1]',
    })
    expect(await refusal(odd)).toMatchObject({ code: 21656 })
  })

  test('contents: created, found by their name, sent within the window without approval, and removed', async () => {
    const name = `choice_${crypto.randomUUID()}`
    const actions = [2, 4].map((place) => ({ title: `{{${place}}}`, id: `{{${place + 1}}}` }))
    const create = (types: object) =>
      // The SDK hands JSON bodies on as they are; its types say otherwise.
      client.content.v1.contents.create({ friendly_name: name, language: 'en', types } as never)
    const { sid } = await create({ 'twilio/quick-reply': { body: '{{1}}', actions } })
    const found = await client.content.v2.contents.list({ contentName: name })
    expect(found.map((content) => [content.sid, content.friendlyName])).toEqual([[sid, name]])
    const items = [{ item: '{{2}}', id: '{{3}}' }]
    const list = await create({ 'twilio/list-picker': { body: '{{1}}', button: 'Choose', items } })
    for (const types of [
      {},
      { 'twilio/list-picker': { body: 'x', items } },
      { 'twilio/quick-reply': { body: 'x', actions: [] } },
      { 'twilio/of-tomorrow': { body: 'x' } },
    ])
      expect(await refusal(create(types))).toMatchObject({ status: 400, code: 20001 })

    await say(ada, { body: 'hi' })
    const choose = (contentSid: string, variables: Record<string, string>) =>
      client.messages.create({ from, to: ada, contentSid, contentVariables: JSON.stringify(variables) })
    const fate = async (message: { sid: string }) => {
      const told = () => client.messages(message.sid).fetch()
      await vi.waitFor(async () => expect((await told()).status).toMatch(/read|failed/))
      return (await told()).errorCode ?? (await told()).status
    }
    const two = { 1: 'Which?', 2: 'Yes', 3: 'a', 4: 'No', 5: 'b' }
    expect(await fate(await choose(sid, two))).toBe('read')
    expect((await seen()).at(-1)).toMatchObject({
      kind: 'message',
      body: 'Which?',
      choices: {
        options: [
          { title: 'Yes', id: 'a' },
          { title: 'No', id: 'b' },
        ],
      },
    })
    expect(await fate(await choose(list.sid, { 1: 'Which?', 2: 'x'.repeat(24), 3: 'a' }))).toBe('read')
    expect((await seen()).at(-1)).toMatchObject({ choices: { list: 'Choose' } })
    // What is too long, or there twice, WhatsApp does not accept.
    const odd = [{ 1: 'x'.repeat(1025) }, { 2: 'x'.repeat(21) }, { 4: 'Yes' }, { 5: 'a' }]
    for (const values of odd) expect(await fate(await choose(sid, { ...two, ...values }))).toBe(63005)
    expect(await fate(await choose(list.sid, { 2: 'x'.repeat(25), 3: 'a' }))).toBe(63005)
    expect(await refusal(choose(sid, { ...two, 1: '' }))).toMatchObject({ code: 21656 })
    await post(`${sandbox.url}/sim/whatsapp/clock`, { advanceSeconds: 24 * 3600 })
    expect(await fate(await choose(sid, two))).toBe(63016)
    await client.content.v1.contents(sid).remove()
    expect(await refusal(choose(sid, two))).toMatchObject({ code: 21655 })
  })

  test('who wrote STOP gets nothing until START', async () => {
    await say(ada, { body: 'Stop' })
    expect(await refusal(send('x'))).toMatchObject({ status: 400, code: 21610 })
    await say(ada, { body: 'START' })
    await send('x')
  })

  test('faults: a refusal with any number, and a delivery that fails later', async () => {
    await say(ada, { body: 'hi' })
    const fault = (body: object) =>
      post(`${sandbox.url}/sim/faults`, { provider: 'twilio', count: 1, ...body })
    await fault({ status: 429 })
    expect(await refusal(send('x'))).toMatchObject({ status: 429, code: 20429 })
    await fault({ errorCode: 63024 })
    const { sid } = await send('x')
    await vi.waitFor(async () => expect((await client.messages(sid).fetch()).errorCode).toBe(63024))
    await fault({ dropRate: 1 })
    await expect(send('x')).rejects.toThrow()
  })
})

describe('what people send', () => {
  test('arrives signed, with today’s fields', async () => {
    const hook = await receiver()
    await hook.listen(hook.url)
    const { messageSid } = await say(ada, { body: 'Grüße & more' })
    await hook.reached(1)
    expect(hook.taken[0]?.isSigned).toBe(true)
    expect(hook.taken[0]?.parameters).toMatchObject({
      SmsMessageSid: messageSid,
      NumMedia: '0',
      ProfileName: 'Ada',
      MessageType: 'text',
      WaId: '15550001',
      SmsStatus: 'received',
      Body: 'Grüße & more',
      To: from,
      MessageSid: messageSid,
      AccountSid: twilioDefaults.accountSid,
      From: ada,
      ApiVersion: '2010-04-01',
      ChannelMetadata: expect.stringContaining('"type":"whatsapp"'),
    })
    hook.stop()
  })

  test('a hidden number is an id, without WaId, and can be answered', async () => {
    const hook = await receiver()
    await hook.listen(hook.url)
    await say('whatsapp:US.1234', { body: 'hi' })
    await hook.reached(1)
    expect(hook.taken[0]?.parameters).toMatchObject({ From: 'whatsapp:US.1234' })
    expect(hook.taken[0]?.parameters).not.toHaveProperty('WaId')
    const { sid } = await send('hello', 'whatsapp:US.1234')
    await vi.waitFor(async () => expect((await client.messages(sid).fetch()).status).toBe('read'))
    hook.stop()
  })

  test('is tried again as the URL asks, with the same signature', async () => {
    const hook = await receiver([503, 503])
    await hook.listen(`${hook.url}#rc=5&rp=all`)
    await say(ada, { body: 'one' })
    await say(ada, { body: 'two' })
    await hook.reached(4)
    expect(hook.taken.map(({ parameters }) => parameters.Body)).toEqual(['one', 'one', 'one', 'two'])
    expect(hook.taken.every(({ isSigned }) => isSigned)).toBe(true)
    hook.stop()
  })

  test('a press arrives with what the button was sent with, and the choice of a list by its own names', async () => {
    const hook = await receiver()
    await hook.listen(hook.url)
    const choose = async (types: object) => {
      const asked = { friendly_name: 'choice', language: 'en', types } as never
      const { sid: contentSid } = await client.content.v1.contents.create(asked)
      return (await client.messages.create({ from, to: ada, contentSid })).sid
    }
    const press = (messageSid: string, data: string) =>
      post(`${sandbox.url}/sim/whatsapp/${encodeURIComponent(ada)}/buttons`, { messageSid, data })
    const buttons = await choose({
      'twilio/quick-reply': { body: 'Well?', actions: [{ title: 'Yes', id: 'y' }] },
    })
    const items = [{ item: 'One', id: '1' }]
    const list = await choose({ 'twilio/list-picker': { body: 'Which?', button: 'Choose', items } })
    await press(buttons, 'y')
    await press(list, '1')
    await press(buttons, 'forged')
    await hook.reached(3)
    expect(hook.taken.every(({ isSigned }) => isSigned)).toBe(true)
    const common = { MessageType: 'interactive', From: ada, OriginalRepliedMessageSender: from }
    expect(hook.taken.map(({ parameters }) => parameters)).toMatchObject([
      { ...common, Body: 'Yes', ButtonText: 'Yes', ButtonPayload: 'y', OriginalRepliedMessageSid: buttons },
      { ...common, Body: 'One', ListTitle: 'One', ListId: '1', OriginalRepliedMessageSid: list },
      { ...common, Body: 'A button', ButtonPayload: 'forged' },
    ])
    hook.stop()
  })

  test('media can be fetched with the account’s credentials only', async () => {
    const hook = await receiver()
    await hook.listen(hook.url)
    await say(ada, { body: 'look', photo: true })
    await hook.reached(1)
    const { MediaUrl0 = '', MediaContentType0 } = hook.taken[0]?.parameters ?? {}
    expect(MediaContentType0).toBe('image/png')
    expect((await fetch(MediaUrl0)).status).toBe(401)
    const credentials = btoa(`${twilioDefaults.accountSid}:${twilioDefaults.authToken}`)
    const fetched = await fetch(MediaUrl0, { headers: { authorization: `Basic ${credentials}` } })
    expect(
      Buffer.from(await fetched.arrayBuffer())
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG')
    hook.stop()
  })

  test('typing shows, and marks the message as read', async () => {
    const { messageSid } = await say(ada, { body: 'hi' })
    const typing = await client.messaging.v2.typingIndicator.create({
      channel: 'whatsapp',
      messageId: messageSid,
    })
    expect(typing.success).toBe(true)
    expect(await seen()).toMatchObject([{ kind: 'typing', sid: messageSid }])
    const unknown = client.messaging.v2.typingIndicator.create({ channel: 'whatsapp', messageId: 'SM1' })
    expect(await refusal(unknown)).toMatchObject({ status: 400 })
  })
})
