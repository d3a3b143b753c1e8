import path from 'node:path'
import { freePort } from '@yourclaw/control-plane/testing'
import { type Database, openDatabase } from '@yourclaw/db'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../until.ts'
import { looks, overflow, screenshots, violationsOn } from './look.ts'
import { hasChromium, type Site, startSite, startWeb, type Visit } from './site.ts'
import { arrive, becomeSubscriber, hears, newcomer, says } from './steps.ts'

/** Every page, looked at by axe and photographed. */
const open = [
  '/',
  '/pricing',
  '/privacy',
  '/terms',
  '/status',
  '/login',
  '/login?error=sign_in_denied',
  '/consent',
  '/goodbye',
  '/nowhere',
]
const signedIn = ['', '/chat', '/keys', '/usage', '/subscription', '/tools', '/settings', '/account'].map(
  (page) => `/dashboard${page}`,
)

let site: Site
let db: Database
/** Cookies of somebody with everything, and of somebody who has only signed in. */
let subscriber: Visit
let beginner: Visit
beforeAll(async () => {
  if (!hasChromium) return
  site = await startSite({ GA_MEASUREMENT_ID: 'G-TEST12345' })
  db = openDatabase(site.system.databaseUrl, 2)
  subscriber = await site.visit()
  const ada = newcomer('Ada')
  await becomeSubscriber(site, subscriber, ada)
  await says(site, ada, 'hello')
  await hears(site, ada, 'hello')
  beginner = await site.visit()
  await arrive(beginner, newcomer('Ben'))
  await beginner.page.getByRole('button', { name: 'Connect it' }).click()
  await beginner.page.getByRole('link', { name: 'Open Telegram' }).waitFor()
}, 180_000)
afterAll(async () => {
  await db?.$disconnect()
  await site?.stop()
})

/** Without a violation, without a complaint, without anything to scroll sideways; and a picture of it. */
async function look(address: string, { page, complaints }: Visit, name: string): Promise<void> {
  await page.goto(address)
  await page.waitForLoadState('load')
  const violations = await violationsOn(page)
  const sideways = await page.evaluate(overflow)
  await page.screenshot({ path: path.join(screenshots, `${name}.png`), fullPage: true })
  // What a page that is not there, or not now, says of itself.
  const told = complaints.splice(0).filter((text) => !/nowhere.*404|status of 503/.test(text))
  expect({ address, violations, sideways, told }).toEqual({ address, violations: [], sideways: 0, told: [] })
}
const nameOf = (address: string) => address.replaceAll(/[^a-z_]+/g, '-').replace(/^-/, '') || 'home'

describe.skipIf(!hasChromium).each(looks)('$colorScheme on a $viewport', ({ colorScheme, viewport }) => {
  const as = async (whose?: Visit) => {
    const visit = await site.visit({ colorScheme, viewport })
    await visit.context.addCookies([
      ...((await whose?.context.cookies()) ?? []),
      { name: 'yc_consent', value: 'denied', url: site.url },
    ])
    return visit
  }
  const walk = async (addresses: string[], whose?: Visit, prefix = '') => {
    const visit = await as(whose)
    for (const address of addresses)
      await look(address, visit, `${prefix}${nameOf(address)}-${colorScheme}-${viewport}`)
    await visit.context.close()
  }

  test('pages for everybody have no violation', () => walk(open))
  test('the dashboard has no violation', () => walk(signedIn, subscriber))
  test('setting up has no violation', async () => {
    await walk(
      [
        '/onboarding/channel',
        '/onboarding/trial',
        '/onboarding/hello',
        ...signedIn.filter((address) => address !== '/dashboard'),
      ],
      beginner,
      'new-',
    )
    await walk(['/onboarding/hello', '/onboarding/channel'], subscriber)
  })
})

describe.skipIf(!hasChromium)('when something is amiss', () => {
  /** Looks at the same pages by day on a desktop and by night on a phone. */
  async function lookTwice(addresses: string[], prefix: string, whose: Visit, url = site.url) {
    for (const [colorScheme, viewport] of [
      ['light', 'desktop'],
      ['dark', 'phone'],
    ] as const) {
      const visit = await site.visit({ colorScheme, viewport })
      await visit.context.addCookies(await whose.context.cookies())
      for (const address of addresses)
        await look(`${url}${address}`, visit, `${prefix}${nameOf(address)}-${colorScheme}-${viewport}`)
      await visit.context.close()
    }
  }
  const userId = async (visit: Visit) =>
    ((await (await visit.context.request.get('/api/v1/users/me')).json()) as { id: string }).id
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000)

  test('an assistant that failed, and one that comes up, say so and what to do', async () => {
    const where = { userId: await userId(subscriber) }
    const failed = {
      status: 'ERROR',
      lastErrorCode: 'start_timeout',
      lastErrorDetail: 'The assistant did not answer within three minutes.',
    } as const
    await db.assistant.update({ where, data: failed })
    await lookTwice(['/dashboard', '/onboarding/hello'], 'failed-', subscriber)
    await db.assistant.update({
      where,
      data: { status: 'PROVISIONING', lastErrorCode: null, lastErrorDetail: null },
    })
    await lookTwice(['/dashboard'], 'coming-', subscriber)
    await db.assistant.update({ where, data: { status: 'READY' } })
  })

  test('B3: money that is owed, and credit that is gone, are told on every page', async () => {
    const ben = await userId(beginner)
    const row = await db.subscription.create({
      data: { userId: ben, status: 'PAST_DUE', graceEnd: inDays(5) },
    })
    await db.creditEntry.create({
      data: { userId: ben, amountMicros: -1n, reason: 'usage', reference: 'test' },
    })
    await lookTwice(['/dashboard', '/dashboard/subscription', '/dashboard/usage'], 'owed-', beginner)
    await db.subscription.update({ where: { id: row.id }, data: { status: 'CANCELED', graceEnd: null } })
    await db.lapse.create({ data: { userId: ben, since: new Date(), deleteAfter: inDays(30) } })
    await lookTwice(['/dashboard', '/dashboard/subscription'], 'suspended-', beginner)
    await db.lapse.delete({ where: { userId: ben } })
    await db.subscription.delete({ where: { id: row.id } })
  })

  test('while Stripe is away, the last copy is shown as such', async () => {
    await site.system.sandbox('/sim/faults', { provider: 'stripe', status: 503 })
    await lookTwice(['/dashboard/subscription'], 'stale-', subscriber)
    await site.system.sandbox('/sim/reset', {})
  })

  test('O3: without the control plane there is a page that says so, and nothing hangs', async () => {
    const url = `http://localhost:${await freePort()}`
    const web = await startWeb({ port: new URL(url).port, url, apiUrl: 'http://127.0.0.1:1' })
    await lookTwice(['/dashboard', '/'], 'down-', subscriber, url)
    expect((await fetch(`${url}/dashboard`)).status).toBe(503)
    await web.stop()
  })

  test('the page of components is not there in production', async () => {
    expect((await fetch(`${site.url}/dev/components`)).status).toBe(404)
  })
})

describe.skipIf(!hasChromium)('small and by keyboard', () => {
  test('nothing scrolls sideways at 320 pixels', async () => {
    const visit = await site.visit()
    await visit.context.addCookies(await subscriber.context.cookies())
    await visit.page.setViewportSize({ width: 320, height: 640 })
    for (const address of [...open, ...signedIn]) {
      await visit.page.goto(address)
      const sideways = await visit.page.evaluate(overflow)
      expect([address, sideways]).toEqual([address, 0])
    }
    await visit.context.close()
  })

  test('who wants no motion has the whole conversation at once', async () => {
    const { page, context } = await site.visit()
    await page.goto('/')
    // With motion it comes after five seconds.
    const opacity = "getComputedStyle([...document.querySelectorAll('figure p')].at(-1)).opacity"
    await until(async () => (await page.evaluate(opacity)) === '1', 2_000)
    await context.close()
  })

  test('the first thing that a keyboard finds leads past the menus', async () => {
    const { page, context } = await site.visit()
    await page.goto('/pricing')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.locator('main:focus').waitFor()
    await context.close()
  })

  test('a dialog takes the focus, gives it back, and closes with Escape', async () => {
    const { page, context } = await site.visit({ viewport: 'phone' })
    await context.addCookies(await subscriber.context.cookies())
    await page.goto('/dashboard')
    const opener = page.getByRole('button', { name: 'Delete it' })
    await opener.focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('alertdialog', { name: 'Delete your assistant?' })
    await dialog.waitFor()
    await page.locator('[role=alertdialog]:focus, [role=alertdialog] :focus').waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    await page.locator('button:focus', { hasText: 'Delete it' }).waitFor()
    await context.close()
  })
})

describe.skipIf(!hasChromium)('the network', () => {
  /** Hosts that the browser asked; nothing leaves, since each foreign request is cut off. */
  async function hostsAsked(visit: Visit): Promise<Set<string>> {
    const hosts = new Set<string>()
    await visit.context.route('**/*', async (route) => {
      const { host } = new URL(route.request().url())
      hosts.add(host)
      if (host === new URL(site.url).host) await route.continue()
      else await route.abort()
    })
    return hosts
  }
  const own = () => new URL(site.url).host

  test('no third party is asked for anything before consent, nor after a no', async () => {
    const visit = await site.visit()
    const hosts = await hostsAsked(visit)
    for (const address of open) await visit.page.goto(address)
    await visit.page.goto('/')
    await visit.page.getByRole('button', { name: 'No, thank you' }).click()
    await visit.page.getByRole('button', { name: 'No, thank you' }).waitFor({ state: 'detached' })
    await visit.page.goto('/pricing')
    expect([...hosts]).toEqual([own()])
    await visit.context.close()
  })

  test('after a yes, and only then, Google Analytics is asked for', async () => {
    const visit = await site.visit()
    const hosts = await hostsAsked(visit)
    await visit.page.goto('/')
    const asked = visit.page.waitForRequest(/googletagmanager/)
    await visit.page.getByRole('button', { name: 'Yes, count me' }).click()
    expect((await asked).url()).toContain('id=G-TEST12345')
    // It was let through by the policy, too: only then it comes by here.
    await until(async () => hosts.has('www.googletagmanager.com'), 10_000)
    expect(hosts.size).toBe(2)
    await visit.context.close()
  })

  test('pages come with a strict policy and the headers of a careful site', async () => {
    const response = await fetch(`${site.url}/`)
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/script-src 'self' 'nonce-[^']+'/)
    expect(policy).not.toContain('unsafe-inline')
    for (const directive of [
      "object-src 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
      "form-action 'self'",
    ])
      expect(policy).toContain(directive)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('referrer-policy')).toBe('strict-origin-when-cross-origin')
  })

  test('the charts are in the page as it comes, without scripts', async () => {
    const cookies = await subscriber.context.cookies()
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
    const page = await (await fetch(`${site.url}/dashboard/usage`, { headers: { cookie } })).text()
    const charts = page.match(/<svg viewBox="0 0 360 190".*?<\/figure>/gs) ?? []
    expect(charts).toHaveLength(2)
    for (const chart of charts) {
      expect(chart).toMatch(/<rect [^>]*lc-bar/)
      expect(chart).not.toContain('style=')
    }
  })

  test('I6: another site’s form changes nothing', async () => {
    const cookies = await subscriber.context.cookies()
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
    for (const origin of ['https://evil.example', 'null']) {
      const headers = { origin, cookie, 'content-type': 'application/x-www-form-urlencoded' }
      const form = await fetch(`${site.url}/dashboard?/delete`, { method: 'POST', headers, body: '' })
      expect(form.status).toBe(403)
      const api = await fetch(`${site.url}/api/v1/assistants`, {
        method: 'DELETE',
        headers: { origin, cookie },
      })
      expect(api.status).toBe(403)
    }
    const assistant = await fetch(`${site.url}/api/v1/assistants`, { headers: { cookie } })
    expect(await assistant.json()).toMatchObject({ status: 'READY' })
  })

  test('O3: what is too large or wrong is a coded error through the web, too', async () => {
    const post = (body: string) =>
      fetch(`${site.url}/api/v1/users/me/channel`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: site.url },
        body,
      })
    const large = await post('x'.repeat(10_000_000))
    expect([large.status, await large.json()]).toMatchObject([413, { code: 'body_too_large' }])
    const stranger = await post('{"channel":"PIGEON"}')
    expect([stranger.status, await stranger.json()]).toMatchObject([401, { code: 'unauthenticated' }])
  })
})
