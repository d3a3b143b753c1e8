import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

let system: System
let ada: Person
let ben: Person
let db: pg.Client

beforeAll(async () => {
  const settings = { FEATURE_GOOGLE_INTEGRATIONS: 'true', RATE_LIMIT_PER_MINUTE: '1000' }
  system = await startTestSystem(settings)
  const [first, second] = system.people
  if (!first || !second) throw new Error('the sandbox has no people')
  ada = first
  ben = second
  db = new pg.Client({ connectionString: system.databaseUrl })
  await db.connect()
  await system.startHost('process')
  await eventually(async () =>
    expect(await system.heard(ada)).toContain('Your assistant is ready. Say hello!'),
  )
  for (const service of ['calendar', 'gmail', 'drive']) await connect(service)
}, 480_000)
afterAll(async () => {
  await db.end()
  await system.stop()
}, 60_000)

const eventually = <T>(check: () => Promise<T>) => vi.waitFor(check, { timeout: 120_000, interval: 100 })

/** What a browser does, with a bearer in place of a session. */
async function connect(service: string) {
  const headers = { authorization: `Bearer ${ada.bearer}` }
  const path = `/api/v1/integrations/google/${service}`
  const start = await fetch(`${system.apiUrl}${path}/connect`, { headers, redirect: 'manual' })
  const body = new URLSearchParams({ account: ada.email })
  const google = start.headers.get('location') ?? ''
  const back = await fetch(google, { method: 'POST', body, redirect: 'manual' })
  const { search } = new URL(back.headers.get('location') ?? '')
  const cookie = start.headers.getSetCookie().map((one) => one.split(';')[0])
  const callback = `${system.apiUrl}${path}/callback${search}`
  const end = await fetch(callback, {
    headers: { ...headers, cookie: cookie.join('; ') },
    redirect: 'manual',
  })
  expect(end.headers.get('location')).toContain(`connected=${service}`)
  await isApplied()
}
const isApplied = () =>
  eventually(async () => {
    const answer = await (await system.api(ada, 'GET', '/assistants')).json()
    expect(answer).toMatchObject({ status: 'READY', job: { status: 'COMPLETED' } })
  })
const account = async () =>
  (await (await fetch(`${system.sandboxUrl}/sim/google/accounts/${ada.email}`)).json()) as {
    events: { id: string; status: string }[]
    mails: { id: string; labelIds: string[] }[]
    drafts: unknown[]
    files: { id: string; permissions: unknown[] }[]
  }

/** The buttons of the newest question, once it is another one than `before`. */
const buttons = (before?: string) =>
  eventually(async () => {
    const sent = (await system.sandbox(`/sim/telegram/${ada.telegramUserId}/messages`)) as {
      id: number
      kind: string
      buttons?: { text: string; data?: string }[][]
    }[]
    const questions = sent.flatMap(({ id, kind, buttons = [] }) => {
      const data = buttons.flat().map((button) => button.data ?? '')
      return kind === 'message' && data[0]?.startsWith('q') ? [{ messageId: id, data }] : []
    })
    const last = questions.at(-1)
    if (!last || last.data[0] === before) throw new Error('nothing is asked')
    return last
  })
let asked: string | undefined
async function press(option: number, who: Person = ada) {
  const { messageId, data } = await buttons(who === ada ? asked : undefined)
  if (who === ada) asked = data[0]
  await system.sandbox(`/sim/telegram/${who.telegramUserId}/buttons`, { messageId, data: data[option] })
}

let turns = 0
/** A turn in which the model calls one tool; resolves with what the tool told it. */
async function use(name: string, args: object, answer?: () => Promise<void>): Promise<string> {
  turns += 1
  const reply = `That was number ${turns}.`
  await system.sandbox('/sim/models/script', { reply })
  const toolCalls = [{ name: `google__${name}`, arguments: args }]
  await system.sandbox('/sim/models/script', { toolCalls, times: 1 })
  await system.say(ada, `Use ${name}, number ${turns}.`)
  await answer?.()
  await eventually(async () => expect(await system.heard(ada)).toContain(reply))
  const requests = (await system.sandbox('/sim/models/requests')) as { body: unknown }[]
  return JSON.stringify(requests.at(-1)?.body)
}

const event = { summary: 'Dentist', start: '2030-05-01T10:00:00Z', end: '2030-05-01T11:00:00Z' }
const mail = { to: ['ben@example.com'], subject: 'Lunch', text: 'On Friday?' }

test('S3: a real OpenClaw reaches each of Google’s tools, and acts when its person agreed', async () => {
  const put = (kind: string, body: object) =>
    system.sandbox(`/sim/google/accounts/${ada.email}/${kind}`, body) as Promise<{ id: string }>
  const received = await put('mails', { from: 'ben@example.com', subject: 'Hi', text: 'The word is heron.' })
  const kept = await put('files', { name: 'Notes.txt', content: 'The word is plover.' })
  const yes = () => press(0)

  await use('calendar_create_event', event, yes)
  const [made] = (await account()).events
  expect(await use('calendar_list_events', { query: 'dentist' })).toContain(made?.id)
  expect(await use('calendar_get_event', { id: made?.id })).toContain('2030-05-01')
  await use('calendar_update_event', { id: made?.id, summary: 'Dentist, late' }, yes)
  await use('calendar_delete_event', { id: made?.id }, yes)
  expect((await account()).events).toMatchObject([{ summary: 'Dentist, late', status: 'cancelled' }])

  expect(await use('gmail_search', { query: 'from:ben' })).toContain(received.id)
  expect(await use('gmail_read', { id: received.id })).toContain('The word is heron.')
  await use('gmail_draft', mail, yes)
  await use('gmail_send', mail, yes)
  const { mails, drafts } = await account()
  expect([drafts.length, mails.filter(({ labelIds }) => labelIds.includes('SENT')).length]).toEqual([1, 1])

  expect(await use('drive_search', { query: 'plover' })).toContain(kept.id)
  expect(await use('drive_read', { id: kept.id })).toContain('The word is plover.')
  await use('drive_create_file', { name: 'New.md', mimeType: 'text/markdown', text: '# New' }, yes)
  const [file] = (await account()).files
  await use('drive_share_file', { id: file?.id, email: 'ben@example.com', role: 'reader' }, yes)
  expect((await account()).files[0]?.permissions).toHaveLength(1)
}, 480_000)

test('I9: a no does nothing, nor does another person’s press', async () => {
  const before = (await account()).mails.length
  // Another mail than the one that was sent: that one again would be the same deed.
  const told = await use('gmail_send', { ...mail, subject: 'Dinner' }, async () => {
    await press(0, ben)
    await press(1)
  })
  expect(told).toContain('The person said no.')
  expect((await account()).mails).toHaveLength(before)
}, 240_000)

test('a token that ends within a turn is renewed, and consent that is withdrawn is told and takes the tools away', async () => {
  await system.sandbox('/sim/google/tokens', { expireAccess: true })
  expect(await use('gmail_search', {})).toContain('ben@example.com')
  await system.sandbox('/sim/google/tokens', { expireAccess: true, withdraw: ada.email })
  expect(await use('gmail_search', {})).toContain('consent_withdrawn')
  await eventually(async () =>
    expect((await system.heard(ada)).join()).toContain('Google has ended the connection to Gmail'),
  )
  await isApplied()
  const told = await use('drive_search', {})
  expect(told).toContain('consent_withdrawn')
  expect(told).not.toContain('google__gmail_search')
}, 240_000)

test('S3, S8: no token of Google’s is anywhere on the host', async () => {
  await connect('gmail')
  expect(await use('gmail_search', {})).toContain('ben@example.com')
  // ya29. and 1//0 are how Google’s tokens begin.
  const search = promisify(execFile)('grep', ['-rlaE', 'ya29\\.|1//0', system.hostsDir])
  await expect(search).rejects.toMatchObject({ code: 1, stdout: '' })
  const kept = await db.query(
    `SELECT service FROM user_integrations WHERE service = 'gmail' AND lost_at IS NULL`,
  )
  expect(kept.rows).toHaveLength(1)
}, 240_000)
