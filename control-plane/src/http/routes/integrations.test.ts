import { tablesMentioning } from '@yourclaw/db/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withGoogle } from '../../services/integration/access.ts'
import { connect, type GoogleWorld, openGoogleWorld } from '../../services/integration/fixtures.ts'
import { markLost } from '../../services/integration/mark-lost.ts'
import { sweepDisconnects } from '../../services/integration/revoke.ts'

let world: GoogleWorld
beforeAll(async () => {
  world = await openGoogleWorld()
})
afterAll(() => world.close())

type Person = Awaited<ReturnType<GoogleWorld['newPerson']>>
const prefix = 'https://www.googleapis.com/auth/'

async function listed({ browser }: Person) {
  const answer = (await (await browser.send('GET', '/integrations')).json()) as {
    services: { service: string; state: string; account?: string; missingScopes: string[] }[]
  }
  return Object.fromEntries(answer.services.map(({ service, ...rest }) => [service, rest]))
}
const row = ({ userId }: Person, service = 'gmail') =>
  world.deps.db.userIntegration.findUnique({ where: { userId_service: { userId, service } } })
const jobs = ({ userId }: Person) => world.deps.db.provisioningJob.count({ where: { userId, kind: 'TOOLS' } })
const events = ({ userId }: Person) => ({
  ctx: world.deps.integrations,
  input: { userId, service: 'calendar' as const },
  work: (api: Parameters<Parameters<typeof withGoogle>[0]['work']>[0]) =>
    api.text({ path: '/calendar/v3/calendars/primary/events' }, 1_000),
})

test('services are connected one by one, and each tells the assistant’s host', async () => {
  const person = await world.newPerson()
  const end = await connect(person.browser, 'gmail', { account: person.email })
  expect(end.href).toBe('http://localhost:3000/dashboard/integrations?connected=gmail')
  expect(await listed(person)).toMatchObject({
    calendar: { state: 'OFF' },
    gmail: { state: 'CONNECTED', account: person.email, missingScopes: [] },
    drive: { state: 'OFF' },
  })
  await connect(person.browser, 'calendar', { account: person.email })
  expect(await jobs(person)).toBe(2)
  expect(await row(person)).toMatchObject({ scopes: [`${prefix}gmail.readonly`, `${prefix}gmail.compose`] })
})

test('S7: tokens are sealed, and no answer holds one', async () => {
  const person = await world.newPerson()
  await connect(person.browser, 'gmail', { account: person.email })
  const stored = await row(person)
  const secrets = await Promise.all(
    [stored?.accessTokenEncrypted, stored?.refreshTokenEncrypted].map((sealed) =>
      world.deps.vault.open(sealed ?? ''),
    ),
  )
  expect(secrets).toEqual([expect.stringMatching(/^ya29\./), expect.stringMatching(/^1\/\/0/)])
  expect(await tablesMentioning(world.deps.db, secrets)).toEqual([])
  const answer = await (await person.browser.send('GET', '/integrations')).text()
  for (const secret of secrets) expect(answer).not.toContain(secret)
})

test('consent that is refused, given in part, or given by nobody is explained', async () => {
  const person = await world.newPerson()
  const denied = await connect(person.browser, 'gmail', { deny: '1' })
  expect(denied.search).toBe('?service=gmail&error=consent_denied')
  const nothing = await connect(person.browser, 'gmail', { account: person.email, boxes: '1' })
  expect(nothing.search).toBe('?service=gmail&error=consent_incomplete')
  expect(await row(person)).toBeNull()
  const part = { account: person.email, boxes: '1', agreed: `${prefix}gmail.readonly` }
  expect((await connect(person.browser, 'gmail', part)).search).toBe('?connected=gmail')
  expect((await listed(person)).gmail).toMatchObject({
    state: 'CONNECTED',
    missingScopes: [`${prefix}gmail.compose`],
  })
})

test('I6: an answer that this browser, or this person, did not ask for connects nothing', async () => {
  const [person, other] = [await world.newPerson(), await world.newPerson()]
  const start = await person.browser.open('/integrations/google/gmail/connect')
  const body = new URLSearchParams({ account: person.email })
  const google = start.headers.get('location') ?? ''
  const back = await fetch(google, { method: 'POST', body, redirect: 'manual' })
  const callback = back.headers.get('location') ?? ''
  // The other one's browser has no cookie of it; then it is given the first one's.
  const tried = async () => (await other.browser.open(callback)).headers.get('location')
  expect(await tried()).toContain('error=sign_in_expired')
  other.browser.cookies.set('connect_gmail', person.browser.cookies.get('connect_gmail') ?? '')
  expect(await tried()).toContain('error=sign_in_expired')
  const forged = new URL(callback)
  forged.searchParams.set('state', 'forged')
  expect((await person.browser.open(forged.href)).headers.get('location')).toContain('error=sign_in_invalid')
  // The cookie is used up, even by a forged answer.
  expect((await person.browser.open(callback)).headers.get('location')).toContain('error=sign_in_expired')
  expect([await row(person), await row(other)]).toEqual([null, null])
})

test('access tokens are renewed while in use, also when Google rotates what renews them', async () => {
  const person = await world.newPerson()
  await connect(person.browser, 'calendar', { account: person.email })
  const before = await row(person, 'calendar')
  await world.sim('google/tokens', { rotateRefresh: true, expireAccess: true })
  const both = await Promise.all([withGoogle(events(person)), withGoogle(events(person))])
  expect(both.map(({ text }) => text)).toEqual([
    expect.stringContaining('calendar#events'),
    expect.stringContaining('calendar#events'),
  ])
  const after = await row(person, 'calendar')
  expect(after?.refreshTokenEncrypted).not.toBe(before?.refreshTokenEncrypted)
  await world.sim('google/tokens', { rotateRefresh: false, expireAccess: true })
  await withGoogle(events(person))
})

test('consent that is withdrawn at Google is noticed, shown, and told once', async () => {
  const person = await world.newPerson()
  await connect(person.browser, 'calendar', { account: person.email })
  await world.sim('google/tokens', { withdraw: person.email })
  for (const _ of [1, 2])
    await expect(withGoogle(events(person))).rejects.toMatchObject({ code: 'consent_withdrawn' })
  expect((await listed(person)).calendar).toMatchObject({ state: 'LOST' })
  const told = { userId: person.userId, code: 'integration_lost' }
  expect(await world.deps.db.message.count({ where: told })).toBe(1)
  expect(await jobs(person)).toBe(2)
  // Connecting again mends it.
  await connect(person.browser, 'calendar', { account: person.email })
  expect((await listed(person)).calendar).toMatchObject({ state: 'CONNECTED' })
  await withGoogle(events(person))
})

test('D1: a connection that ends leaves no usable token, here or at Google, even while Google is away', async () => {
  const person = await world.newPerson()
  await connect(person.browser, 'gmail', { account: person.email })
  const stored = await row(person)
  const [access, refresh] = await Promise.all(
    [stored?.accessTokenEncrypted, stored?.refreshTokenEncrypted].map((sealed) =>
      world.deps.vault.open(sealed ?? ''),
    ),
  )
  await world.sim('faults', { provider: 'google', status: 503, count: 1 })
  const ended = await person.browser.send('DELETE', '/integrations/google/gmail')
  expect(await ended.json()).toEqual({ state: 'DISCONNECTING' })
  const again = await person.browser.open('/integrations/google/gmail/connect')
  expect(again.headers.get('location')).toContain('?service=gmail&error=disconnecting')
  await sweepDisconnects({ ctx: world.deps.integrations })
  expect(await row(person)).toBeNull()
  await expect(world.deps.integrations.consent.refresh(refresh ?? '')).rejects.toMatchObject({
    code: 'consent_withdrawn',
  })
  const api = world.deps.integrations.openApi(access ?? '')
  await expect(api.text({ path: '/gmail/v1/users/me/messages' }, 10)).rejects.toMatchObject({
    code: 'google_unauthorized',
  })
  const missing = await person.browser.send('DELETE', '/integrations/google/gmail')
  expect([missing.status, ((await missing.json()) as { code: string }).code]).toEqual([404, 'not_connected'])
})

test('a service that is disconnected takes no other one of its account along; the last takes all back', async () => {
  const person = await world.newPerson()
  for (const service of ['calendar', 'gmail'] as const)
    await connect(person.browser, service, { account: person.email })
  const kept = await row(person)
  const end = async (service: string) =>
    (await person.browser.send('DELETE', `/integrations/google/${service}`)).json()
  await world.deps.db.toolPermission.create({ data: { userId: person.userId, tool: 'gmail_send' } })
  // Nothing that was agreed to in part takes the rest along, either.
  await connect(person.browser, 'drive', { account: person.email, boxes: '1' })
  expect(await end('gmail')).toEqual({ state: 'OFF' })
  await withGoogle(events(person))
  expect(await world.deps.db.toolPermission.count({ where: { userId: person.userId } })).toBe(0)
  expect(await end('calendar')).toEqual({ state: 'OFF' })
  const token = await world.deps.vault.open(kept?.refreshTokenEncrypted ?? '')
  await expect(world.deps.integrations.consent.refresh(token)).rejects.toMatchObject({
    code: 'consent_withdrawn',
  })
})

test('a call that fails on an old connection leaves the one in its place alone', async () => {
  const person = await world.newPerson()
  await connect(person.browser, 'calendar', { account: person.email })
  await world.sim('google/tokens', { withdraw: person.email })
  const { refreshTokenEncrypted } = (await row(person, 'calendar')) ?? {}
  await connect(person.browser, 'calendar', { account: person.email })
  const input = {
    userId: person.userId,
    service: 'calendar' as const,
    refreshToken: refreshTokenEncrypted ?? '',
  }
  await markLost({ ctx: world.deps.integrations, input })
  expect((await listed(person)).calendar).toMatchObject({ state: 'CONNECTED' })
})

test('I8: without a subscription nothing is connected; without the feature nothing is offered', async () => {
  const person = await world.newPerson()
  await world.deps.db.subscription.deleteMany({ where: { userId: person.userId } })
  const told = await person.browser.open('/integrations/google/drive/connect')
  expect(told.headers.get('location')).toContain('error=not_entitled')
  expect((await person.browser.send('GET', '/integrations/google/drive/connect')).status).toBe(402)
  expect((await person.browser.open('/integrations/google/maps/connect')).status).toBe(400)
  const off = await openGoogleWorld({ FEATURE_GOOGLE_INTEGRATIONS: 'false' })
  const elsewhere = await off.newPerson()
  expect(await (await elsewhere.browser.send('GET', '/integrations')).json()).toEqual({
    available: false,
    services: [],
    permissions: [],
  })
  expect((await elsewhere.browser.send('GET', '/integrations/google/drive/connect')).status).toBe(404)
  await off.close()
})
