import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import type { Person } from './people.ts'
import { type HostProcess, type System, startTestSystem } from './system.ts'

let system: System
let host: HostProcess
let ada: Person

// The real OpenClaw, on a host whose agent can be killed.
beforeAll(async () => {
  system = await startTestSystem({ RATE_LIMIT_PER_MINUTE: '50' })
  const [first] = system.people
  if (!first) throw new Error('the sandbox has no people')
  ada = first
  host = await system.spawnHost('process')
  await eventually(async () =>
    expect(await system.heard(ada)).toContain('Your assistant is ready. Say hello!'),
  )
}, 480_000)
afterAll(() => system.stop(), 60_000)

/** A job that was due while its gateway was away runs two minutes after its start. */
const eventually = <T>(check: () => Promise<T>) => vi.waitFor(check, { timeout: 200_000, interval: 100 })
const script = (body: object) => system.sandbox('/sim/models/script', body)

/** A turn in which the model calls one tool; resolves with what the tool told it. */
async function use(name: string, args: object): Promise<string> {
  const before = (await requests()).length
  const answer = `Done: ${crypto.randomUUID()}`
  // OpenClaw adds words of its own to a result, which look like a new question: the call is asked for once.
  await script({ reply: answer })
  await script({ toolCalls: [{ name, arguments: args }], times: 1 })
  await system.say(ada, `use ${name}`)
  await eventually(async () => expect(await system.heard(ada)).toContain(answer))
  const { body } = resultSchema.parse((await requests())[before + 1])
  const [result] = body.messages
    .flatMap(({ content }) => content)
    .filter(({ type }) => type === 'tool_result')
    .slice(-1)
  return result?.content ?? ''
}
const resultSchema = z.object({
  body: z.object({
    messages: z.array(
      z.object({
        content: z
          .array(z.object({ type: z.string(), content: z.string().optional().catch(undefined) }))
          .catch([]),
      }),
    ),
  }),
})
const requests = async () => (await system.sandbox('/sim/models/requests')) as unknown[]

/** What the model says when a job's own words come to it. */
const whenDue = (words: string, reply: string) => script({ match: words, reply })
const remind = (words: string, inMs: number) =>
  use('automations', {
    action: 'add',
    job: {
      name: words,
      schedule: { kind: 'at', at: new Date(Date.now() + inMs).toISOString() },
      payload: { kind: 'agentTurn', message: `Remind them: ${words}` },
    },
  })

/** The process of the one gateway below a data folder. */
function gatewayPid(): number {
  const [name = ''] = readdirSync(path.join(host.dataDir, '.run'))
  return (JSON.parse(readFileSync(path.join(host.dataDir, '.run', name), 'utf8')) as { pid: number }).pid
}

test('M12, M13: a reminder set in the chat arrives, and the next turn knows that it was said', async () => {
  const added = await remind('drink water', 2_000)
  await whenDue('drink water', 'Drink some water!')
  expect(added).toContain('yourclaw')
  await eventually(async () => expect(await system.heard(ada)).toContain('Drink some water!'))
  expect((await system.heard(ada)).filter((text) => text === 'Drink some water!')).toHaveLength(1)
  const { messages } = (await (await system.api(ada, 'GET', '/messages?limit=5')).json()) as {
    messages: { direction: string; body: string }[]
  }
  expect(messages).toContainEqual(
    expect.objectContaining({ direction: 'OUTBOUND', body: 'Drink some water!' }),
  )
  await script({ match: 'thank you', reply: 'You are welcome.' })
  await system.say(ada, 'thank you')
  await eventually(async () => expect(await system.heard(ada)).toContain('You are welcome.'))
  expect(JSON.stringify((await requests()).at(-1))).toContain('Drink some water!')
}, 300_000)

test('M9, M12: files of the workspace arrive while it answers: a picture as photo, anything else as document', async () => {
  await makeFiles()
  const sent = await use('message', { action: 'send', message: 'The chart you wanted', media: 'chart.png' })
  expect(sent).toContain('"sent')
  await use('message', { action: 'send', media: 'notes.txt' })
  const sandbox = await system.sandbox(`/sim/telegram/${ada.telegramUserId}/messages`)
  const media = (sandbox as { kind: string; text: string; method?: string }[]).filter(
    ({ kind }) => kind === 'media',
  )
  expect(media).toHaveLength(2)
  expect(JSON.stringify(media[0])).toContain('The chart you wanted')
  // What lies elsewhere is not sent, by whatever way.
  for (const path of [
    '../config/.openclaw/openclaw.json',
    '/etc/hostname',
    'way-out',
    'https://example.com/a.png',
  ]) {
    expect(await use('message', { action: 'send', message: 'psst', media: path })).toMatch(/error|Error/)
  }
  const after = (await system.sandbox(`/sim/telegram/${ada.telegramUserId}/messages`)) as { kind: string }[]
  expect(after.filter(({ kind }) => kind === 'media')).toHaveLength(2)
}, 300_000)

/** One red point, a text, and a link that leads out of the workspace. */
function makeFiles(): Promise<string> {
  const png =
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=='
  const command = `echo ${png} | base64 -d >chart.png; echo milk, bread >notes.txt; ln -sf /etc/hostname way-out`
  return use('exec', { command })
}

test('M12: a reminder arrives although agent, gateway and control plane died and came back in between', async () => {
  await remind('call the dentist', 30_000)
  await whenDue('call the dentist', 'Call the dentist now.')
  await host.kill()
  process.kill(gatewayPid(), 'SIGKILL')
  await system.restart({ RATE_LIMIT_PER_MINUTE: '50' })
  host.start()
  await eventually(async () => expect(await system.heard(ada)).toContain('Call the dentist now.'))
  expect((await system.heard(ada)).filter((text) => text === 'Call the dentist now.')).toHaveLength(1)
}, 300_000)

test('M12: what is said while the control plane is away waits on its host', async () => {
  await remind('feed the cat', 4_000)
  await whenDue('feed the cat', 'The cat is hungry.')
  const { ports } = system.controlPlane
  await system.controlPlane.stop()
  // The model is asked although nobody is there to hear it.
  await eventually(async () => expect(JSON.stringify((await requests()).at(-1))).toContain('feed the cat'))
  await system.restart({ RATE_LIMIT_PER_MINUTE: '50', ...ports })
  await eventually(async () => expect(await system.heard(ada)).toContain('The cat is hungry.'))
}, 300_000)

test('M12: a person who wants no messages gets none, and the model is told so', async () => {
  await system.api(ada, 'PATCH', '/users/me', { proactive: false })
  await remind('buy milk', 2_000)
  await whenDue('buy milk', 'Milk!')
  await eventually(async () => expect(JSON.stringify((await requests()).at(-1))).toContain('buy milk'))
  await system.api(ada, 'PATCH', '/users/me', { proactive: true })
  await remind('buy bread', 2_000)
  await whenDue('buy bread', 'Bread!')
  await eventually(async () => expect(await system.heard(ada)).toContain('Bread!'))
  expect(await system.heard(ada)).not.toContain('Milk!')
}, 300_000)

test('M12: a reminder goes to the channel that was chosen, wherever the person wrote last', async () => {
  const onWhatsapp = async () => (await system.whatsapp(ada.whatsappAddress)).map(({ body }) => body)
  const onWeb = async () => {
    const page = await system.api(ada, 'GET', '/messages?limit=20')
    const { messages } = (await page.json()) as { messages: { body: string; channel: string }[] }
    return messages.flatMap(({ body, channel }) => (channel === 'WEB' ? [body] : []))
  }
  await script({ match: 'opens the window', reply: 'It is open.' })
  await system.write(ada.whatsappAddress, { body: 'this opens the window' })
  await eventually(async () => expect(await onWhatsapp()).toContain('It is open.'))
  const heardOn = { WHATSAPP: onWhatsapp, WEB: onWeb, TELEGRAM: () => system.heard(ada) }
  for (const [channel, words] of [
    ['WHATSAPP', 'call Zoe'],
    ['WEB', 'call Yan'],
    ['TELEGRAM', 'call Xia'],
  ] as const) {
    await system.api(ada, 'PATCH', '/users/me', { proactiveChannel: channel })
    // Set on Telegram.
    await remind(words, 6_000)
    await whenDue(words, `It is time to ${words}.`)
    await eventually(async () => expect(await heardOn[channel]()).toContain(`It is time to ${words}.`))
    for (const [other, heard] of Object.entries(heardOn))
      if (other !== channel) expect(await heard()).not.toContain(`It is time to ${words}.`)
  }
  await system.api(ada, 'PATCH', '/users/me', { proactiveChannel: null })
}, 300_000)

test('M9, M12: on WhatsApp a file goes as an address, and outside of the window an invitation goes first', async () => {
  const { whatsappAddress } = ada
  const sent = async () =>
    (
      (await system.sandbox(
        `/sim/whatsapp/${encodeURIComponent(whatsappAddress)}/messages`,
      )) as WhatsappSent[]
    ).filter(({ kind }) => kind !== 'typing')
  // While it answers there, a file goes there.
  await script({ reply: 'On its way.' })
  await script({
    toolCalls: [{ name: 'message', arguments: { action: 'send', message: 'The chart', media: 'chart.png' } }],
    times: 1,
  })
  await system.write(whatsappAddress, { body: 'send it here' })
  await eventually(async () => expect(JSON.stringify(await sent())).toContain('On its way.'))
  const [chart] = (await sent()).filter(({ body }) => body.includes('The chart'))
  expect(JSON.stringify(chart)).toMatch(/\/api\/v1\/files\/[0-9a-f-]+\?token=/)

  await system.api(ada, 'PATCH', '/users/me', { proactiveChannel: 'WHATSAPP' })
  await remind('stretch', 3_000)
  await whenDue('stretch', 'Stretch a little.')
  await system.sandbox('/sim/whatsapp/clock', { advanceSeconds: 25 * 3600 })
  await eventually(async () => expect((await sent()).at(-1)).toMatchObject({ kind: 'template' }))
  const before = (await sent()).filter(({ status }) => status !== 'failed').map(({ body }) => body)
  expect(before).not.toContain('Stretch a little.')
  await script({ match: 'what is it', reply: 'That was it.' })
  await system.write(whatsappAddress, { body: 'what is it?' })
  await eventually(async () => {
    const after = (await sent()).filter(({ status }) => status !== 'failed').map(({ body }) => body)
    expect(after.slice(before.length)).toEqual(['Stretch a little.', 'That was it.'])
  })
}, 300_000)

interface WhatsappSent {
  kind: string
  body: string
  status: string
}
