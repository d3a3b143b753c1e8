import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { openDatabase } from '@yourclaw/db'
import { tablesMentioning } from '@yourclaw/db/testing'
import { strFromU8, unzipSync } from 'fflate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'
import { until } from './until.ts'

let system: System
let ada: Person
beforeAll(async () => {
  system = await startTestSystem({ RATE_LIMIT_PER_MINUTE: '1000' })
  const [first] = system.people
  if (!first) throw new Error('the sandbox has no people')
  ada = first
  await system.startHost()
  await until(async () => ((await json('GET', '/assistants')) as { status: string }).status === 'READY')
}, 90_000)
afterAll(() => system.stop(), 30_000)

const json = async (method: string, path: string, body?: unknown) =>
  (await system.api(ada, method, path, body)).json()

interface ExportView {
  status: string
  step?: string
  errorCode?: string
  url?: string
}
interface Mail {
  subject: string
  text: string
}
const mails = async (email: string) =>
  (await system.sandbox(`/sim/mail?to=${encodeURIComponent(email)}`)) as Mail[]

/** The folder of an assistant on whichever host has it. */
function folderOf(userId: string): string {
  const found = readdirSync(system.hostsDir, { recursive: true, encoding: 'utf8' }).filter(
    (name) => path.basename(name) === userId,
  )
  expect(found).toHaveLength(1)
  return path.join(system.hostsDir, found[0] ?? '')
}

test('D1: an export holds messages, usage, settings and workspace, and its link is mailed and opens nothing else', async () => {
  const { email } = (await json('GET', '/users/me')) as { email: string }
  await system.say(ada, 'remember the milk')
  await until(async () => (await system.heard(ada)).includes('remember the milk'))
  writeFileSync(path.join(folderOf(ada.userId), 'workspace', 'notes.md'), 'the milk is blue')

  expect(await json('GET', '/users/me/export')).toEqual({ status: 'NONE' })
  expect(await json('POST', '/users/me/export')).toMatchObject({ status: 'PENDING', percent: 0 })
  expect(await json('POST', '/users/me/export')).not.toMatchObject({ status: 'READY' })
  const ready = await until(async () => {
    const view = (await json('GET', '/users/me/export')) as ExportView
    if (view.status === 'FAILED') throw new Error(view.errorCode)
    return view.status === 'READY' && view
  })
  const mail = await until(async () => (await mails(email)).find(({ subject }) => subject.includes('export')))
  const mailed = /https?:\S+\/exports\/\S+/.exec(mail.text)?.[0] ?? ''
  const onApi = (link: string) => link.replace(/^https?:\/\/[^/]+/, system.apiUrl)
  const file = await fetch(onApi(mailed))
  expect(file.status).toBe(200)
  expect(file.headers.get('content-disposition')).toMatch(/^attachment; filename="yourclaw-[\d-]+\.zip"$/)
  const zip = unzipSync(new Uint8Array(await file.arrayBuffer()))
  const read = (name: string) => JSON.parse(strFromU8(zip[name] ?? new Uint8Array()))
  const messages = read('messages.json') as { direction: string; body: string }[]
  expect(
    messages.filter(({ body }) => body === 'remember the milk').map(({ direction }) => direction),
  ).toEqual(['INBOUND', 'OUTBOUND'])
  expect(read('settings/profile.json')).toMatchObject({ email })
  expect(read('usage/messages-per-day.json')).toMatchObject([{ inboundCount: 1 }])
  expect(gunzipSync(zip['assistant.tar.gz'] ?? new Uint8Array()).includes('the milk is blue')).toBe(true)
  // What lies in the store says nothing to whoever copies it, and what a host handed over has its own file.
  const stored = readdirSync(path.join(system.hostsDir, 'store'), { recursive: true, withFileTypes: true })
  expect(stored.filter((entry) => entry.isFile())).toHaveLength(2)

  const link = new URL(onApi(ready.url ?? ''))
  expect((await fetch(link)).status).toBe(200)
  const code = async (url: string) => {
    const response = await fetch(url)
    return [response.status, ((await response.json()) as { code: string }).code]
  }
  expect(await code(`${link.origin}${link.pathname}`)).toEqual([401, 'link_invalid'])
  expect(await code(link.href.replace(/exports\/[^?]+/, `exports/${ada.userId}`))).toEqual([
    401,
    'link_invalid',
  ])
  expect(await code(`${link.origin}${link.pathname}?token=${ada.bearer}`)).toEqual([401, 'link_invalid'])
  const asBearer = await fetch(`${system.apiUrl}/api/v1/users/me`, {
    headers: { authorization: `Bearer ${link.searchParams.get('token')}` },
  })
  expect(asBearer.status).toBe(401)
})

test('D1: deleting an account leaves nothing of it: not in the database, not on the host, not in the store', async () => {
  const { email } = (await json('GET', '/users/me')) as { email: string }
  const folder = folderOf(ada.userId)
  const db = openDatabase(system.databaseUrl, 2)
  const needles = [ada.userId, email, String(ada.telegramUserId), ada.whatsappAddress, 'remember the milk']
  expect((await tablesMentioning(db, needles)).length).toBeGreaterThan(10)
  expect(await json('DELETE', '/users/me', { email })).toEqual({ deletion: 'REQUESTED' })
  await until(async () => (await mails(email)).find(({ subject }) => subject.includes('deleted')))
  expect(existsSync(folder)).toBe(false)
  // The mail's own row forgets its recipient once it is sent.
  await until(async () => (await tablesMentioning(db, needles)).length === 0)
  await db.$disconnect()
  const stored = readdirSync(path.join(system.hostsDir, 'store'), { recursive: true, withFileTypes: true })
  expect(stored.filter((entry) => entry.isFile())).toEqual([])
  expect((await system.api(ada, 'GET', '/users/me')).status).toBe(401)
  // The chat belongs to nobody now.
  const before = (await system.heard(ada)).length
  await system.say(ada, 'are you still there?')
  await until(async () => (await system.heard(ada)).length > before)
  expect((await system.heard(ada)).at(-1)).toMatch(/don't know this chat/)
})
