import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTokens } from '../../lib/tokens.ts'
import { openTestApp, type TestApp } from '../../testing/open-app.ts'

let world: TestApp
beforeAll(async () => {
  world = await openTestApp()
})
afterAll(() => world.close())

const web = 'http://localhost:3000'

async function newGoogleAccount(more: object = {}): Promise<string> {
  const email = `${randomUUID()}@example.test`
  await world.sim('google/users', { email, name: 'Eve Adams', ...more })
  return email
}

async function problem(response: Response) {
  const body = (await response.json()) as { detail: string; code: string }
  expect(body).toEqual({ detail: expect.any(String), code: expect.any(String) })
  return [response.status, body.code]
}

const users = () => world.deps.db.user.count()

test('signing in makes an account, and the second time finds it', async () => {
  const email = await newGoogleAccount()
  const browser = world.browser()
  expect(await browser.signIn(email, '/onboarding?step=2#plan')).toBe(`${web}/onboarding?step=2#plan`)
  const me = (await (await browser.send('GET', '/users/me')).json()) as { id: string }
  expect(me).toMatchObject({ email, name: 'Eve Adams', timeZone: 'UTC', channels: [] })
  const elsewhere = world.browser()
  expect(await elsewhere.signIn(email)).toBe(`${web}/dashboard`)
  expect(await (await elsewhere.send('GET', '/users/me')).json()).toMatchObject({ id: me.id })
  const audited = await world.deps.db.auditEvent.findMany({ where: { subject: `user:${me.id}` } })
  expect(audited.map(({ action }) => action).sort()).toEqual([
    'account.created',
    'account.signed_in',
    'account.signed_in',
  ])
})

test('I6: cookies are out of reach of scripts and other sites, and over https bound to the host', async () => {
  const cookiesAt = async (own: TestApp) => {
    const start = await own.app.request('/api/v1/auth/google')
    return start.headers.getSetCookie().join()
  }
  const plain = await cookiesAt(world)
  expect(plain).toMatch(/^signin=[^;]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/)
  const secure = await openTestApp({ WEB_URL: 'https://web.test' })
  expect(await cookiesAt(secure)).toMatch(
    /^__Host-signin=[^;]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  )
  await secure.close()
  const browser = world.browser()
  const back = await browser.consent({ account: await newGoogleAccount() })
  const [cleared, session] = (await browser.open(back.href)).headers.getSetCookie()
  expect(cleared).toMatch(/^signin=; Max-Age=0/)
  expect(session).toMatch(/^session=[^;]+; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/)
})

test('I6: nobody is sent anywhere but to a path of ours', async () => {
  const targets = ['https://evil.test', '//evil.test', '/\\evil.test', '/\t/evil.test', '/.//evil.test']
  targets.push('javascript:alert(1)', 'dashboard', `/${'x'.repeat(3_000)}`, '/\n/evil.test', '\\/evil.test')
  for (const target of targets) {
    const response = await world.call('GET', `/auth/google?${new URLSearchParams({ returnTo: target })}`)
    expect([target, ...(await problem(response))]).toEqual([target, 400, 'invalid_return_to'])
    expect(response.headers.getSetCookie()).toEqual([])
  }
})

test('I6: an answer of Google that this browser did not ask for, or used before, signs nobody in', async () => {
  const before = await users()
  const email = await newGoogleAccount()
  const asked = world.browser()
  const back = await asked.consent({ account: email })
  const tampered = (name: string, value: string) => {
    const url = new URL(back)
    url.searchParams.set(name, value)
    return url.href
  }
  // A page, as a browser asks for, and JSON, as a program does.
  const other = world.browser()
  const page = await other.open(back.href)
  expect(page.headers.get('location')).toBe(`${web}/login?error=sign_in_expired`)
  const json = async (url: string) => problem(await asked.send('GET', url))
  const kept = new Map(asked.cookies)
  const again = () => {
    for (const [name, value] of kept) asked.cookies.set(name, value)
  }
  expect(await json(tampered('state', 'forged'))).toEqual([400, 'sign_in_invalid'])
  expect(await json(back.href)).toEqual([400, 'sign_in_expired'])
  again()
  expect(await json(tampered('code', 'forged'))).toEqual([400, 'sign_in_invalid'])
  again()
  expect(await json('/auth/google/callback')).toEqual([400, 'sign_in_invalid'])
  asked.cookies.set('signin', 'noise')
  expect(await json(back.href)).toEqual([400, 'sign_in_expired'])
  expect(await users()).toBe(before)

  again()
  expect((await asked.open(back.href)).headers.get('location')).toBe(`${web}/dashboard`)
  again()
  asked.cookies.delete('session')
  expect(await json(back.href)).toEqual([400, 'sign_in_invalid'])
  expect(asked.cookies.has('session')).toBe(false)
})

test('whoever changes their mind at Google is back where they were', async () => {
  const browser = world.browser()
  const back = await browser.consent({ deny: '1' }, '/pricing')
  const end = await browser.open(back.href)
  expect(end.headers.get('location')).toBe(`${web}/login?error=sign_in_denied&returnTo=%2Fpricing`)
  expect(browser.cookies.size).toBe(0)
})

test('I9: an account is linked by a verified address alone, and never to a second person of one issuer', async () => {
  const { id, email } = await world.signUp()
  const unverified = await world.sim('google/users', { email, name: 'Mallory', emailVerified: false })
  expect(unverified).toBeTruthy()
  expect(await world.browser().signIn(email)).toBe(
    `${web}/login?error=email_not_verified&returnTo=%2Fdashboard`,
  )
  expect(await world.deps.db.userIdentity.count({ where: { userId: id } })).toBe(0)

  const own = await newGoogleAccount()
  const known = await world.signUp(own)
  const browser = world.browser()
  await browser.signIn(own)
  expect(await (await browser.send('GET', '/users/me')).json()).toMatchObject({ id: known.id })
  // The address goes to somebody else at Google: another subject, the same verified address.
  await world.deps.db.userIdentity.updateMany({
    where: { userId: known.id },
    data: { subject: 'who had it before' },
  })
  expect(await world.browser().signIn(own)).toBe(`${web}/login?error=email_in_use&returnTo=%2Fdashboard`)
})

test('I7: keys that Google rotates are believed at once, those it dropped no more', async () => {
  const email = await newGoogleAccount()
  expect(await world.browser().signIn(email)).toBe(`${web}/dashboard`)
  await world.sim('google/rotate-keys', { dropOld: true })
  expect(await world.browser().signIn(email)).toBe(`${web}/dashboard`)
})

test('when Google is down, nobody is blamed for it', async () => {
  const email = await newGoogleAccount()
  const browser = world.browser()
  const back = await browser.consent({ account: email })
  await world.sim('faults', { provider: 'google', status: 500, count: 1 })
  expect((await browser.open(back.href)).headers.get('location')).toBe(
    `${web}/login?error=google_unavailable&returnTo=%2Fdashboard`,
  )
  const unreachable = await openTestApp({ GOOGLE_ISSUER: 'http://127.0.0.1:1/google' })
  expect(await problem(await unreachable.call('GET', '/auth/google'))).toEqual([503, 'google_unavailable'])
  const asPage = await unreachable.call('GET', '/auth/google', { headers: { accept: 'text/html' } })
  expect([asPage.status, asPage.headers.get('location')]).toEqual([
    302,
    `${web}/login?error=google_unavailable`,
  ])
  await unreachable.close()
})

test('I6: a cookie changes something only from a page of ours; a bearer needs no page', async () => {
  const email = await newGoogleAccount()
  const browser = world.browser()
  await browser.signIn(email)
  const rename = (headers: Record<string, string>) =>
    browser.send('PATCH', '/users/me', { name: 'Changed' }, headers)
  const foreign = [{}, { origin: 'https://evil.test' }, { origin: 'null' }]
  const crossed = [
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.test', 'sec-fetch-site': 'same-origin' },
  ]
  for (const headers of [...foreign, ...crossed]) {
    expect(await problem(await rename(headers as Record<string, string>))).toEqual([
      403,
      'cross_site_request',
    ])
  }
  expect(await (await browser.send('GET', '/users/me')).json()).toMatchObject({ name: 'Eve Adams' })
  expect((await rename({ origin: web })).status).toBe(200)
  expect((await rename({ 'sec-fetch-site': 'same-origin' })).status).toBe(200)
  const bearer = browser.cookies.get('session') ?? ''
  expect((await world.call('PATCH', '/users/me', { bearer, body: { name: 'By a program' } })).status).toBe(
    200,
  )
})

test('I7: signing out ends the session with every cookie it ever had', async () => {
  const browser = world.browser()
  await browser.signIn(await newGoogleAccount())
  const token = browser.cookies.get('session') ?? ''
  const { userId, jti: id, sessionStartedAt: startedAt = new Date(0) } = await world.deps.tokens.verify(token)
  const next = await world.deps.tokens.issue(userId, 86_400, { id, startedAt })
  expect((await browser.send('POST', '/auth/logout')).status).toBe(204)
  expect(browser.cookies.size).toBe(0)
  for (const bearer of [token, next]) {
    expect(await problem(await world.call('GET', '/users/me', { bearer }))).toEqual([401, 'invalid_token'])
  }
  const revoked = await world.deps.db.revokedToken.findUniqueOrThrow({ where: { jti: id } })
  expect(revoked.expiresAt.getTime() - startedAt.getTime()).toBe(180 * 86_400_000)
})

test('I7: a session slides, by the day and not for ever, and survives a rotation of our keys', async () => {
  const { id: userId } = await world.signUp()
  const seed = (fill: number) => `k${fill}:${Buffer.alloc(32, fill).toString('base64')}`
  const rotated = await openTestApp({ SESSION_SIGNING_KEYS: `${seed(2)},${seed(1)}` })
  const { id: other } = await rotated.signUp()
  const browser = rotated.browser()
  const signedBefore = createTokens(seed(1), rotated.deps.env.API_URL)
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)
  const visit = async (startedAt: Date, issuedAt: Date) => {
    const session = { id: randomUUID(), startedAt }
    browser.cookies.set('session', await signedBefore.issue(other, 60, session, issuedAt))
    const response = await browser.send('GET', '/users/me')
    expect(response.status).toBe(200)
    return response.headers.getSetCookie().map((cookie) => /Max-Age=(\d+)/.exec(cookie)?.[1])
  }
  expect(await visit(daysAgo(0), daysAgo(0))).toEqual([])
  expect(await visit(daysAgo(2), daysAgo(2))).toEqual([String(30 * 86_400)])
  const [shorter] = await visit(daysAgo(179), daysAgo(2))
  expect(Number(shorter)).toBeLessThanOrEqual(86_400)
  expect(await visit(daysAgo(181), daysAgo(2))).toEqual([])
  await rotated.close()
  expect(userId).not.toBe(other)
})

test('signing in and every change are limited, with 429 and the time to wait', async () => {
  const { bearer } = await world.signUp()
  const other = await world.signUp()
  const from = (address: string) => ({ headers: { 'x-forwarded-for': `198.51.100.9, ${address}, 10.0.0.1` } })
  const starts = await Promise.all(
    Array.from({ length: 62 }, () => world.call('GET', '/auth/google', from('203.0.113.7'))),
  )
  const refused = starts.filter(({ status }) => status === 429)
  expect(refused.length).toBe(2)
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await problem(refused[0] as Response)).toEqual([429, 'too_many_requests'])
  const asPage = await world.call('GET', '/auth/google', {
    headers: { ...from('203.0.113.7').headers, accept: 'text/html' },
  })
  expect(asPage.headers.get('location')).toBe(`${web}/login?error=too_many_requests`)
  expect((await world.call('GET', '/auth/google', from('203.0.113.8'))).status).toBe(302)

  const rename = (own: string) => world.call('PATCH', '/users/me', { bearer: own, body: { name: 'x' } })
  const changes = await Promise.all(Array.from({ length: 62 }, () => rename(bearer)))
  expect(changes.filter(({ status }) => status === 429).length).toBe(2)
  expect((await rename(other.bearer)).status).toBe(200)
  expect((await world.call('GET', '/users/me', { bearer })).status).toBe(200)
})

test('answers of the API do nothing in a browser and stay in no cache', async () => {
  const { bearer } = await world.signUp()
  const { headers } = await world.call('GET', '/users/me', { bearer })
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('content-security-policy')).toBe(
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
  )
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  const docs = await world.call('GET', '/docs')
  expect(docs.headers.get('content-security-policy')).toMatch(/script-src 'self' 'nonce-/)
})
