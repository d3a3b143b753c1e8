import { type Sandbox, startSandbox, twilioDefaults } from '@yourclaw/sandbox'
import { pino } from 'pino'
import twilio from 'twilio'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFixture, type Fixture } from '../services/conversation/fixtures.ts'
import { createContentStore } from '../services/delivery/content-store.ts'
import { noFiles } from '../testing/no-files.ts'
import { render } from './render.ts'
import type { Payload } from './sender.ts'
import { createWhatsapp } from './whatsapp.ts'

let sandbox: Sandbox
let fixture: Fixture
let client: twilio.Twilio
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  fixture = await createFixture()
  client = twilio(twilioDefaults.accountSid, twilioDefaults.authToken)
  for (const domain of [client.api, client.content]) domain.baseUrl = `${sandbox.url}/twilio`
})
afterAll(async () => {
  await fixture.close()
  await sandbox.stop()
})

const sim = async <T>(path: string, body?: object): Promise<T> => {
  const init = body && { method: 'POST', body: JSON.stringify(body) }
  const response = await fetch(`${sandbox.url}/sim${path}`, {
    headers: { 'content-type': 'application/json' },
    ...init,
  })
  return (await response.json()) as T
}

/** Another process, with nothing in its memory. */
const replica = () =>
  createWhatsapp({
    files: noFiles,
    accountSid: twilioDefaults.accountSid,
    authToken: twilioDefaults.authToken,
    number: twilioDefaults.whatsappNumber,
    apiBase: `${sandbox.url}/twilio`,
    statusUrl: '',
    contents: createContentStore(fixture.ctx, twilioDefaults.accountSid),
    log: pino({ enabled: false }),
  })

const buttonsOf = (labels: string[]) => labels.map((label, index) => ({ label, data: `data-${index}` }))
const asked = (labels: string[]): Payload => {
  const [payload, ...more] = render('WHATSAPP', 'Which?', { buttons: buttonsOf(labels) })
  if (!payload || more.length > 0) throw new Error('not one part')
  return payload
}
const numbered = (count: number) =>
  Array.from({ length: count }, (_, index) => String.fromCharCode(65 + index).repeat(3))

interface Shown {
  body: string
  choices?: { list?: string; options: { title: string; id: string }[] }
}
/** Somebody who wrote just now; `send` resolves with what their phone shows of it. */
async function somebody() {
  const address = `whatsapp:+1777${crypto.getRandomValues(new Uint32Array(1))[0]}`
  const path = `/whatsapp/${encodeURIComponent(address)}/messages`
  await sim(path, { body: 'hi' })
  const shown = async () => (await sim<Shown[]>(path)).map(({ body, choices }) => ({ body, choices }))
  return {
    address,
    shown,
    send: async (whatsapp: ReturnType<typeof replica>, payload: Payload) => {
      await whatsapp.send(address, payload)
      return (await shown()).at(-1)
    },
  }
}
const made = async (name: string) => {
  const listed = await client.content.v1.contents.list()
  return listed.filter(({ friendlyName }) => friendlyName === name)
}
const withNumbers = {
  body: expect.stringMatching(/^Which\?\n\n1\. [\s\S]*Answer with a number\.$/),
  choices: undefined,
}

test('up to three short answers are buttons, up to ten are a list, and what WhatsApp would not take is numbered', async () => {
  const person = await somebody()
  const whatsapp = replica()
  const options = (labels: string[]) => labels.map((title, index) => ({ title, id: `data-${index}` }))
  const three = ['Yes, do it', 'No', 'x'.repeat(20)]
  expect(await person.send(whatsapp, asked(three))).toEqual({
    body: 'Which?',
    choices: { options: options(three) },
  })
  const ten = numbered(10)
  const list = { list: 'Choose', options: options(ten) }
  expect(await person.send(whatsapp, asked(ten))).toEqual({ body: 'Which?', choices: list })
  const longer = ['y'.repeat(24), 'No']
  expect(await person.send(whatsapp, asked(longer))).toMatchObject({ choices: { options: options(longer) } })
  for (const labels of [numbered(11), ['z'.repeat(25)], ['Same', 'Same']])
    expect(await person.send(whatsapp, asked(labels))).toEqual(withNumbers)
  const long = render('WHATSAPP', 'w'.repeat(1_025), { buttons: buttonsOf(['Yes']) })
  expect(long).toEqual([{ text: expect.stringContaining('1. Yes') }])
})

test('a label that is too long for a button is cut at its colon, and stands in the words above', async () => {
  const person = await somebody()
  const always = 'Always: change events in my calendar'
  expect(await person.send(replica(), asked(['Yes', 'No', always]))).toMatchObject({
    body: `Which?\n\n• ${always}`,
    choices: { options: [{ title: 'Yes' }, { title: 'No' }, { title: 'Always' }] },
  })
})

test('of many parts the last has the buttons, and each part fits either way', () => {
  const parts = render('WHATSAPP', `${'long '.repeat(400)}\n\nWhich?`, { buttons: buttonsOf(numbered(10)) })
  expect(parts.length).toBeGreaterThan(1)
  expect(parts.map(({ buttons }) => buttons?.length)).toEqual([...parts.slice(1).map(() => undefined), 10])
  for (const { text, prompt = '' } of parts) {
    expect(text.length).toBeLessThanOrEqual(1600)
    expect(prompt.length).toBeLessThanOrEqual(1024)
  }
})

test('M6: two replicas that need a content at once make it once; whoever comes too early sends numbers', async () => {
  const people = await Promise.all(Array.from({ length: 6 }, somebody))
  const payload = asked(numbered(5))
  const sent = await Promise.all(people.map((person) => person.send(replica(), payload)))
  expect(await made('yourclaw_twilio_list_picker_5_v1')).toHaveLength(1)
  expect(sent.filter((shown) => shown?.choices !== undefined).length).toBeGreaterThanOrEqual(1)
  for (const shown of sent) if (shown?.choices === undefined) expect(shown).toEqual(withNumbers)
  const [person] = people
  expect(await person?.send(replica(), payload)).toMatchObject({ choices: { list: 'Choose' } })
})

test('M6: a content whose maker died before it noted it is found again, not made once more', async () => {
  const person = await somebody()
  const payload = asked(numbered(6))
  const name = 'yourclaw_twilio_list_picker_6_v1'
  await person.send(replica(), payload)
  // As if it had died right after Twilio's answer.
  const notBefore = new Date(fixture.clock.at + 60_000)
  await fixture.db.whatsappContent.updateMany({ where: { name }, data: { sid: null, notBefore } })
  expect(await person.send(replica(), payload)).toEqual(withNumbers)
  fixture.clock.at += 60_000
  expect(await person.send(replica(), payload)).toMatchObject({ choices: { list: 'Choose' } })
  expect(await made(name)).toHaveLength(1)
})

test('M6: what Twilio refuses goes with numbers at once, and is asked of it again later', async () => {
  const person = await somebody()
  const payload = asked(numbered(7))
  const name = 'yourclaw_twilio_list_picker_7_v1'
  await sim('/faults', { provider: 'twilio', status: 400, count: 1 })
  const whatsapp = replica()
  expect(await person.send(whatsapp, payload)).toEqual(withNumbers)
  expect(await person.send(whatsapp, payload)).toEqual(withNumbers)
  expect(await made(name)).toEqual([])
  fixture.clock.at += 3_600_000
  const [content] = [await person.send(whatsapp, payload), ...(await made(name))].slice(1) as {
    sid: string
  }[]
  expect((await person.shown()).at(-1)).toMatchObject({ choices: { list: 'Choose' } })
  // Somebody removed it in Twilio's console.
  await client.content.v1.contents(content?.sid ?? '').remove()
  expect(await person.send(whatsapp, payload)).toEqual(withNumbers)
  expect(await person.send(whatsapp, payload)).toMatchObject({ choices: { list: 'Choose' } })
  // It is there, and a message with it is refused.
  await sim('/faults', { provider: 'twilio', status: 400, errorCode: 21656, count: 1 })
  expect(await person.send(whatsapp, payload)).toEqual(withNumbers)
  expect(await made(name)).toHaveLength(1)
  await sim('/faults', { provider: 'twilio', status: 503, count: 1 })
  const before = (await person.shown()).length
  await expect(person.send(whatsapp, payload)).rejects.toMatchObject({ kind: 'retry' })
  // One that came behind it shows that it was not sent all the same.
  await whatsapp.send(person.address, { text: 'behind it' })
  expect((await person.shown()).slice(before)).toEqual([{ body: 'behind it', choices: undefined }])
})
