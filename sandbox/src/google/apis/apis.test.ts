import { auth as calendarAuth, calendar as calendarClient } from '@googleapis/calendar'
import { drive as driveClient } from '@googleapis/drive'
import { gmail as gmailClient } from '@googleapis/gmail'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { googleDefaults, type Sandbox, startSandbox } from '../../index.ts'
import { get, post } from '../../test-support.ts'

const redirectUri = 'http://localhost:3000/callback'
const prefix = 'https://www.googleapis.com/auth/'
const ada = 'ada@example.com'
let sandbox: Sandbox

beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterAll(() => sandbox.stop())

/** What a person agrees to on the page, and the clients that have it. `agreed` leaves the other boxes empty. */
async function connect(scopes: string[], agreed?: string[]) {
  const url = new URL(`${sandbox.url}/google/o/oauth2/v2/auth`)
  const scope = ['openid', 'email', ...scopes.map((name) => prefix + name)].join(' ')
  const asked = { client_id: googleDefaults.clientId, redirect_uri: redirectUri, response_type: 'code' }
  url.search = String(new URLSearchParams({ ...asked, scope, access_type: 'offline' }))
  const form = new URLSearchParams({ account: ada })
  if (agreed) form.append('boxes', '1')
  for (const name of agreed ?? []) form.append('agreed', prefix + name)
  const answer = await fetch(url, { method: 'POST', body: form, redirect: 'manual' })
  const code = new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? ''
  const tokens = (await (
    await fetch(`${sandbox.url}/google/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        client_id: googleDefaults.clientId,
        client_secret: googleDefaults.clientSecret,
      }),
    })
  ).json()) as { access_token: string; refresh_token: string; scope: string }
  const auth = new calendarAuth.OAuth2()
  auth.setCredentials({ access_token: tokens.access_token })
  // The clients know one host for all paths; ours is below a path.
  const fetchImplementation = ((url: URL | string, init?: RequestInit) =>
    fetch(
      String(url).replace(/^https:\/\/[a-z]+\.googleapis\.com/, `${sandbox.url}/google`),
      init,
    )) as typeof fetch
  const options = { auth, fetchImplementation, retry: false }
  return {
    tokens,
    calendar: calendarClient({ version: 'v3', ...options }),
    gmail: gmailClient({ version: 'v1', ...options }),
    drive: driveClient({ version: 'v3', ...options }),
  }
}

test('Google’s own calendar client makes, finds, changes and deletes an event, and an id makes it once', async () => {
  const { calendar } = await connect(['calendar.events'])
  const [start, end] = [{ dateTime: '2030-05-01T10:00:00Z' }, { dateTime: '2030-05-01T11:00:00Z' }]
  const requestBody = { id: 'once12345', summary: 'Dentist', start, end }
  const made = await calendar.events.insert({ calendarId: 'primary', requestBody })
  expect(made.data).toMatchObject({ summary: 'Dentist', status: 'confirmed' })
  await expect(calendar.events.insert({ calendarId: 'primary', requestBody })).rejects.toMatchObject({
    status: 409,
  })
  const eventId = made.data.id ?? ''
  await calendar.events.patch({ calendarId: 'primary', eventId, requestBody: { location: 'Rome' } })
  const list = (query: object) => calendar.events.list({ calendarId: 'primary', ...query })
  expect((await list({ q: 'rome', timeMin: '2030-05-01T00:00:00Z' })).data.items).toHaveLength(1)
  expect((await list({ timeMin: '2030-06-01T00:00:00Z' })).data.items).toEqual([])
  await calendar.events.delete({ calendarId: 'primary', eventId })
  await expect(calendar.events.get({ calendarId: 'primary', eventId })).rejects.toMatchObject({ status: 410 })
})

test('an event is changed only as the one that the caller saw, and becomes a day or a time as a whole', async () => {
  const { calendar } = await connect(['calendar.events'])
  const [start, end] = [{ dateTime: '2030-05-01T10:00:00Z' }, { dateTime: '2030-05-01T11:00:00Z' }]
  const requestBody = { summary: 'Dentist', start, end }
  const { data } = await calendar.events.insert({ calendarId: 'primary', requestBody })
  const event = { calendarId: 'primary', eventId: data.id ?? '' }
  const ifMatch = { headers: { 'If-Match': data.etag ?? '' } }
  const day = (date: string) => ({ date, dateTime: null })
  const whole = { start: day('2030-05-01'), end: day('2030-05-02') }
  const halves = [{ start: whole.start }, { start: { date: '2030-05-01' }, end: { date: '2030-05-02' } }]
  for (const half of halves)
    await expect(calendar.events.patch({ ...event, requestBody: half })).rejects.toMatchObject({
      status: 400,
    })
  const patched = await calendar.events.patch({ ...event, requestBody: whole }, ifMatch)
  expect(patched.data).toMatchObject({ start: { date: '2030-05-01' }, end: { date: '2030-05-02' } })
  const late = calendar.events.patch({ ...event, requestBody: { summary: 'Late' } }, ifMatch)
  await expect(late).rejects.toMatchObject({ status: 412 })
  await expect(calendar.events.delete(event, ifMatch)).rejects.toMatchObject({ status: 412 })
  expect((await calendar.events.get(event)).data.summary).toBe('Dentist')
})

test('Google’s own mail client searches, reads, drafts, and sends a draft once', async () => {
  await post(`${sandbox.url}/sim/google/accounts/${ada}/mails`, {
    from: 'ben@example.com',
    subject: 'Lunch',
    text: 'On Friday?',
  })
  const { gmail } = await connect(['gmail.readonly', 'gmail.compose'])
  const found = await gmail.users.messages.list({ userId: 'me', q: 'from:ben is:unread friday' })
  const id = found.data.messages?.[0]?.id ?? ''
  const mail = await gmail.users.messages.get({ userId: 'me', id })
  expect(mail.data.payload?.headers).toContainEqual({ name: 'Subject', value: 'Lunch' })
  const text = mail.data.payload?.parts?.[0]?.body?.data ?? ''
  expect(Buffer.from(text, 'base64url').toString()).toBe('On Friday?')

  const raw = Buffer.from('To: ben@example.com\r\nSubject: Re: Lunch\r\n\r\nYes.').toString('base64url')
  const draft = await gmail.users.drafts.create({ userId: 'me', requestBody: { message: { raw } } })
  const requestBody = { id: draft.data.id ?? '' }
  expect((await gmail.users.drafts.send({ userId: 'me', requestBody })).data.labelIds).toEqual(['SENT'])
  await expect(gmail.users.drafts.send({ userId: 'me', requestBody })).rejects.toMatchObject({ status: 404 })
})

test('Google’s own drive client searches, reads, exports, creates and shares', async () => {
  const accounts = `${sandbox.url}/sim/google/accounts/${ada}/files`
  await post(accounts, { name: 'Notes.txt', content: 'milk' })
  const document = 'application/vnd.google-apps.document'
  const { id } = (await post(accounts, { name: 'Plan', mimeType: document, content: 'the plan' })) as {
    id: string
  }
  const { drive } = await connect(['drive.readonly', 'drive.file'])
  const found = await drive.files.list({ q: "fullText contains 'milk' and trashed = false" })
  expect(found.data.files).toMatchObject([{ name: 'Notes.txt' }])
  const fileId = found.data.files?.[0]?.id ?? ''
  expect((await drive.files.get({ fileId, alt: 'media' }, { responseType: 'text' })).data).toBe('milk')
  expect((await drive.files.export({ fileId: id, mimeType: 'text/plain' })).data).toBe('the plan')
  await expect(drive.files.get({ fileId: id, alt: 'media' })).rejects.toMatchObject({ status: 403 })
  await expect(drive.files.list({ q: 'nonsense' })).rejects.toMatchObject({ status: 400 })

  const requestBody = { name: 'New.md', mimeType: 'text/markdown' }
  const media = { mimeType: 'text/markdown', body: '# New' }
  const made = await drive.files.create({ requestBody, media })
  const share = {
    fileId: made.data.id ?? '',
    requestBody: { type: 'user', role: 'reader', emailAddress: ada },
  }
  expect((await drive.permissions.create(share)).data).toMatchObject({ role: 'reader' })
  const stranger = drive.permissions.create({ ...share, fileId })
  await expect(stranger).rejects.toMatchObject({ status: 403 })
})

test('a box that was left empty is a scope that the token does not have', async () => {
  const { tokens, gmail } = await connect(['gmail.readonly', 'gmail.compose'], ['gmail.readonly'])
  expect(tokens.scope).toBe(`openid email ${prefix}gmail.readonly`)
  await gmail.users.messages.list({ userId: 'me' })
  const raw = Buffer.from('To: a@b.example\r\n\r\n').toString('base64url')
  const refused = gmail.users.drafts.create({ userId: 'me', requestBody: { message: { raw } } })
  await expect(refused).rejects.toMatchObject({ status: 403 })
})

test('tokens expire, rotate and are taken back, and each API fails by itself', async () => {
  const { tokens, calendar } = await connect(['calendar.events'])
  const refresh = async (token: string) => {
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: token,
      client_id: googleDefaults.clientId,
      client_secret: googleDefaults.clientSecret,
    })
    return (await fetch(`${sandbox.url}/google/token`, { method: 'POST', body })).json() as Promise<{
      access_token?: string
      refresh_token?: string
      error?: string
    }>
  }
  const sim = (body: object) => post(`${sandbox.url}/sim/google/tokens`, body)
  const list = () => calendar.events.list({ calendarId: 'primary' })
  await post(`${sandbox.url}/sim/faults`, { provider: 'calendar', status: 429, count: 1 })
  await expect(list()).rejects.toMatchObject({ status: 429 })
  await sim({ expireAccess: true })
  await expect(list()).rejects.toMatchObject({ status: 401 })
  await sim({ rotateRefresh: true })
  const { refresh_token: next = '' } = await refresh(tokens.refresh_token)
  expect(await refresh(tokens.refresh_token)).toMatchObject({ error: 'invalid_grant' })
  await sim({ rotateRefresh: false, withdraw: ada })
  expect(await refresh(next)).toMatchObject({ error: 'invalid_grant' })
})

test('what an account keeps is there to look at', async () => {
  const kept = await get<Record<string, unknown[]>>(`${sandbox.url}/sim/google/accounts/ben@example.com`)
  expect(kept).toEqual({ events: [], mails: [], drafts: [], files: [] })
})
