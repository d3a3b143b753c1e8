import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../until.ts'
import { hasChromium, type Site, startSite, type Viewport, type Visit } from './site.ts'
import {
  arrive,
  becomeSubscriber,
  connectTelegram,
  givePhone,
  heard,
  hears,
  mailTo,
  type Newcomer,
  newcomer,
  payInSandbox,
  says,
  startCommand,
  subscriptionOf,
} from './steps.ts'

/** A person's ways through the pages, each on a desktop and on a phone. */
let site: Site
beforeAll(async () => {
  if (hasChromium) site = await startSite()
}, 120_000)
afterAll(() => site?.stop())

describe.skipIf(!hasChromium).each<Viewport>(['desktop', 'phone'])('on a %s', (viewport) => {
  let visit: Visit
  let ada: Newcomer
  const visitBy = async (name: string) => ({
    visit: await site.visit({ viewport, timezoneId: 'Asia/Tokyo' }),
    who: newcomer(name),
  })
  const role = (...input: Parameters<Visit['page']['getByRole']>) => visit.page.getByRole(...input)
  const badge = (text: string) => visit.page.getByText(text, { exact: true }).waitFor()

  test('from the landing page over sign-in, a chat and the trial to the first answer, and usage shows it', async () => {
    const { visit: hers, who } = await visitBy('Ada')
    visit = hers
    ada = who
    await becomeSubscriber(site, visit, ada)
    const link = await role('link', { name: 'Write in Telegram' }).getAttribute('href')
    const text = new URL(link ?? '').searchParams.get('text') ?? ''
    // The page sees the message come and its answer go.
    const script = { match: text, reply: 'I do what I can.', delayMs: 3_000 }
    await site.system.sandbox('/sim/models/script', script)
    await says(site, ada, text)
    await role('heading', { name: 'Your message has arrived.' }).waitFor()
    await role('heading', { name: 'It has answered you.' }).waitFor()
    await visit.page.getByText('Its answer is in Telegram').waitFor()
    await hears(site, ada, script.reply)
    await role('link', { name: 'Go to the dashboard' }).click()
    await visit.page.waitForURL('**/dashboard')
    const assistant = await visit.context.request.get('/api/v1/assistants')
    expect(await assistant.json()).toMatchObject({ model: 'anthropic/claude-haiku-4-5-20251001' })
    const me = await visit.context.request.get('/api/v1/users/me')
    expect(await me.json()).toMatchObject({ timeZone: 'Asia/Tokyo' })
    await visit.page.goto('/dashboard/usage')
    await visit.page.getByText('1 of 100, 99 left').waitFor()
    await role('region', { name: 'Usage by day' }).locator('tbody tr').first().waitFor()
    expect(visit.complaints).toEqual([])
  })

  test('I1, I2: a chat that is somebody’s is not connected to somebody else, and both keep what they have', async () => {
    const { visit: theirs, who: eve } = await visitBy('Eve')
    await arrive(theirs, eve)
    await theirs.page.getByRole('button', { name: 'Connect it' }).click()
    await says(site, ada, await startCommand(theirs))
    await theirs.page.getByText('belongs to another account').waitFor()
    expect(new URL(theirs.page.url()).pathname).toBe('/onboarding/channel')
    await says(site, ada, 'still mine?')
    await hears(site, ada, 'still mine?')
    await theirs.context.close()
  })

  test('I1: WhatsApp is connected by a message, and the page goes on by itself', async () => {
    const { visit: theirs, who: dan } = await visitBy('Dan')
    const { page } = theirs
    await arrive(theirs, dan)
    await page.getByText('WhatsApp', { exact: true }).click()
    await page.getByRole('button', { name: 'Connect it' }).click()
    const link = await page.getByRole('link', { name: 'Open WhatsApp' }).getAttribute('href')
    const body = new URL(link ?? '').searchParams.get('text') ?? ''
    expect(body).toContain((await page.locator('code').textContent()) ?? 'no code')
    await page.getByText('+1 555 0100', { exact: true }).waitFor()
    await site.system.write(`whatsapp:+1555${dan.telegramUserId}`, { body })
    await page.waitForURL('**/onboarding/trial')
    await page.goto('/dashboard')
    await page.waitForURL('**/dashboard')
    const digits = String(dan.telegramUserId)
    await page.getByText(`+1 555 ${digits.slice(0, 3)} ${digits.slice(3)}`).waitFor()
    expect(theirs.complaints).toEqual([])
    await theirs.context.close()
  })

  test('cancelling, and taking it back', async () => {
    await visit.page.goto('/dashboard/subscription')
    await badge('Free trial')
    await role('button', { name: 'Cancel', exact: true }).click()
    await role('button', { name: 'Cancel the subscription' }).click()
    await badge('Canceling')
    await role('button', { name: 'Keep it after all' }).click()
    await badge('Free trial')
    expect(visit.complaints).toEqual([])
  })

  test('keys, model, cap and credit are changed on the dashboard', async () => {
    const { page } = visit
    await page.goto('/dashboard/keys')
    await page.getByLabel('Provider').selectOption({ label: 'OpenAI' })
    await page.getByLabel('Key', { exact: true }).fill('sk-invalid-1234567890')
    await role('button', { name: 'Check and add it' }).click()
    await page.getByText('The provider does not accept this key.').waitFor()
    await page.getByText('No keys of your own').waitFor()
    // The browser's own word for a form that was refused.
    for (const complaint of visit.complaints.splice(0)) expect(complaint).toContain('400')
    await page.getByLabel('Key', { exact: true }).fill('sk-mine-1234567890')
    await role('button', { name: 'Check and add it' }).click()
    await page.getByText('OpenAI took the key').waitFor()
    expect(await page.content()).not.toContain('sk-mine-1234567890')
    await page.goto('/dashboard')
    await page.getByText('on your OpenAI key').first().waitFor()
    await role('radio', { name: /GPT-4o mini/i }).check()
    await role('button', { name: 'Use this model' }).click()
    await page.getByText('The model is changed').waitFor()
    await page.goto('/dashboard/usage')
    await page.getByLabel('Monthly cap in dollars').fill('7.50')
    await role('button', { name: 'Set the cap' }).click()
    await page.getByText('of $7.50').waitFor()
    await page.goto('/dashboard/keys')
    await role('button', { name: 'Remove', exact: true }).click()
    await role('button', { name: 'Remove the key' }).click()
    await page.getByText('Its models run on your credit now.').waitFor()
    expect(visit.complaints).toEqual([])
  })

  test('a form that was posted before the scripts came, and one after it, both say what became of them', async () => {
    const { page } = visit
    await page.goto('/dashboard/settings')
    await page.locator('form[action="?/fallback"]').evaluate((form) => {
      ;(form as unknown as { submit(): void }).submit()
    })
    await page.getByText('No other model steps in now.').waitFor()
    expect(page.url()).toContain('?/fallback')
    await page.waitForLoadState('networkidle')
    await page.getByLabel('From').fill('22:30')
    await page.getByLabel('Until').fill('07:00')
    await role('button', { name: 'Save' }).first().click()
    await page.getByText('Saved. It holds from now on.').waitFor()
    expect(visit.complaints).toEqual([])
  })

  test('what was chosen before the scripts came stays chosen', async () => {
    const { page } = visit
    // The scripts wait until everything is chosen.
    const gate = Promise.withResolvers<void>()
    await page.route('**/_app/**/*.js', async (route) => {
      await gate.promise
      await route.continue()
    })
    await page.goto('/dashboard/settings', { waitUntil: 'commit' })
    const [box, list] = [page.getByLabel('It may speak first'), page.getByLabel('Fallback model')]
    const wasChecked = await box.isChecked()
    await box.setChecked(!wasChecked)
    await list.selectOption({ label: 'Claude Haiku 4.5' })
    gate.resolve()
    await page.waitForLoadState('networkidle')
    expect(await box.isChecked()).toBe(!wasChecked)
    expect(await list.inputValue()).toBe('anthropic/claude-haiku-4-5-20251001')
    await role('button', { name: 'Save' }).last().click()
    await page.getByText('Saved. It steps in from now on.').waitFor()
    expect(page.url()).not.toContain('?/')
    await page.unroute('**/_app/**/*.js')
    expect(visit.complaints).toEqual([])
  })

  test('who is signed in is led to the dashboard, and not to signing in', async () => {
    const { page } = visit
    for (const [path, name] of [
      ['/', 'Dashboard'],
      ['/no-such-page', 'Dashboard'],
    ] as const) {
      const answer = await page.goto(path)
      expect(answer?.headers().vary).toContain('cookie')
      await page.getByRole('banner').getByRole('link', { name }).waitFor()
      expect(await page.getByRole('banner').getByRole('link', { name: 'Sign in' }).count()).toBe(0)
    }
    await page.getByRole('banner').getByRole('link', { name: 'Dashboard' }).click()
    await page.waitForURL('**/dashboard')
    const stranger = await site.visit()
    await stranger.page.goto('/')
    await stranger.page.getByRole('banner').getByRole('link', { name: 'Sign in' }).waitFor()
    await stranger.context.close()
    for (const complaint of visit.complaints.splice(0)) expect(complaint).toContain('404')
  })

  test('B4: usage is shown by day and by model with what it cost, and the ledger adds up to what is left', async () => {
    const { page } = visit
    await page.goto('/dashboard/usage')
    await page.locator('figure svg').first().waitFor()
    await page.getByText(/Within a minute you can write/).waitFor()
    const cell = async (label: string, column: number) => {
      const row = role('region', { name: label }).locator('tbody tr').first()
      return (await row.locator('td').nth(column).textContent())?.trim() ?? ''
    }
    const cost = await cell('Usage by day', 4)
    expect(cost).toMatch(/^\$0\.\d+$|^< \$0\.01$/)
    await role('tab', { name: 'By model' }).click()
    await role('region', { name: 'Usage by model' }).getByText('Claude Haiku 4.5').waitFor()
    expect(Number((await cell('Usage by model', 0)).replaceAll(',', ''))).toBeGreaterThan(0)
    expect(await cell('Usage by model', 3)).toBe(cost)
    const ledger = role('region', { name: 'Credit, entry by entry' })
    await ledger.getByText('Granted with the first subscription').waitFor()
    await ledger.getByText('Models, of that day').waitFor()
    const answer = await visit.context.request.get('/api/v1/credits')
    const credits = (await answer.json()) as { remainingMicros: number; entries: { amountMicros: number }[] }
    expect(credits.entries.reduce((sum, entry) => sum + entry.amountMicros, 0)).toBe(credits.remainingMicros)
    expect(await ledger.locator('tbody tr').count()).toBe(credits.entries.length)
    expect(visit.complaints).toEqual([])
  })

  test('credit is bought', async () => {
    const { page } = visit
    await page.goto('/dashboard/usage')
    await role('button', { name: '$5', exact: true }).click()
    await page.waitForURL('**/checkout/**')
    await role('button', { name: 'Pay' }).click()
    await page.waitForURL('**/dashboard/usage?**')
    await until(async () => {
      await page.reload()
      return (await page.getByText('Added by you').count()) === 1
    }, 60_000)
  })

  test('B3: a failed payment is shown, and when nothing is paid the assistant is suspended', async () => {
    const { page } = visit
    await site.system.sandbox('/sim/stripe/dunning', { retryDays: [3], outcome: 'cancel' })
    await site.system.sandbox(`/sim/stripe/subscriptions/${await subscriptionOf(site, ada)}/fail-payment`, {})
    await until(async () => {
      await page.goto('/dashboard')
      return (await page.getByText('The last payment failed').count()) === 1
    }, 60_000)
    await page.goto('/dashboard/subscription')
    await badge('Past due')
    await site.system.sandbox('/sim/stripe/clock', { advanceSeconds: 8 * 86_400 })
    await until(async () => {
      await page.reload()
      return (await page.getByText('Your assistant is suspended').count()) === 1
    }, 60_000)
    await badge('Canceled')
    await page.goto('/dashboard')
    await page.getByText('Your assistant is suspended').waitFor()
    await until(async () => (await mailTo(site, ada.email)).includes('Your assistant is paused'), 60_000)
    expect(await mailTo(site, ada.email)).toContain('Your payment did not go through')
  })

  test('B1: the page after Stripe believes Stripe and not the browser, and goes on by itself', async () => {
    const { visit: theirs, who: fay } = await visitBy('Fay')
    const { page } = theirs
    await arrive(theirs, fay)
    await connectTelegram(site, theirs, fay)
    await page.goto('/onboarding/hello')
    await page.getByText('Waiting for the payment').waitFor()
    await page.goto('/onboarding/trial')
    await site.system.sandbox('/sim/stripe/deliveries', { mode: 'hold' })
    await payInSandbox(theirs)
    await page.getByText('Waiting for the payment').waitFor()
    await site.system.sandbox('/sim/stripe/deliveries', { mode: 'send' })
    await site.system.sandbox('/sim/stripe/deliveries/release', { order: 'reversed' })
    await page.getByText('It is there. Say hello.').waitFor({ timeout: 60_000 })
    expect(theirs.complaints).toEqual([])
    // A replica that restarts refuses events: the page asks for them again.
    const refuses = { status: 503, body: 'Service Unavailable' }
    for (const address of ['**/api/v1/messages/events', '**/api/v1/assistants/events'])
      await page.route(address, (route) => route.fulfill(refuses), { times: 2 })
    const refused = page.waitForResponse('**/api/v1/messages/events')
    await page.goto('/onboarding/hello')
    await refused
    await says(site, fay, 'is anybody there?')
    await page.getByRole('heading', { name: 'It has answered you.' }).waitFor()
    // Another assistant has not answered yet.
    const { request } = theirs.context
    const headers = { origin: site.url }
    await request.delete('/api/v1/assistants', { headers })
    const status = async () => (await (await request.get('/api/v1/assistants')).json()).status
    await until(async () => (await status()) === 'NONE', 60_000)
    await request.post('/api/v1/assistants', { headers, data: {} })
    await page.goto('/onboarding/hello')
    await page.getByRole('heading', { name: 'It is there. Say hello.' }).waitFor({ timeout: 60_000 })
    await theirs.context.close()
  })

  test('D1: an export is asked for and the account deleted, in the browser', async () => {
    const { visit: theirs, who: ben } = await visitBy('Ben')
    const { page } = theirs
    await becomeSubscriber(site, theirs, ben)
    await page.goto('/dashboard/account')
    await page.getByRole('button', { name: 'Put it together' }).click()
    const download = page.getByRole('link', { name: 'Download it' })
    await download.waitFor({ timeout: 60_000 })
    const file = await theirs.context.request.get((await download.getAttribute('href')) ?? '')
    expect([file.status(), (await file.body()).subarray(0, 2).toString()]).toEqual([200, 'PK'])
    await until(async () => (await mailTo(site, ben.email)).includes('Your export is ready'), 60_000)
    const address = page.getByLabel('Your e-mail address, to be sure')
    const confirm = page.getByRole('button', { name: 'Delete everything, for good' })
    await page.getByText('Delete my account').click()
    await address.fill('somebody@else.test')
    await confirm.click()
    await page.locator('[aria-invalid="true"]').waitFor()
    await address.fill(ben.email)
    await confirm.click()
    await page.waitForURL('**/goodbye')
    await page.goto('/dashboard')
    await page.waitForURL('**/login?**')
    await until(async () => (await mailTo(site, ben.email)).includes('Your account is deleted'), 60_000)
    await theirs.context.close()
  })
})

describe.skipIf(!hasChromium)('without scripts', () => {
  test('every step to the trial works, and a choice survives signing in and going back', async () => {
    const visit = await site.visit({ javaScriptEnabled: false })
    const cleo = newcomer('Cleo')
    await arrive(visit, cleo)
    const { page } = visit
    await givePhone(site, cleo)
    await page.getByRole('button', { name: 'Connect it' }).click()
    await says(site, cleo, await startCommand(visit))
    await until(async () => {
      await page.goto('/onboarding')
      return new URL(page.url()).pathname === '/onboarding/trial'
    }, 60_000)
    await page.getByRole('link', { name: 'Connect a chat' }).click()
    await page.getByText('Telegram is connected').waitFor()
    await page.goBack()
    expect(await page.getByLabel('Model').inputValue()).toContain('haiku')
    await page.getByRole('button', { name: 'Start the trial' }).click()
    await page.waitForURL('**/checkout/**')
    await page.getByRole('button', { name: 'Start trial' }).click()
    await page.waitForURL('**/onboarding/hello')
    await until(async () => {
      await page.reload()
      return (await page.getByText('Say hello').count()) === 1
    }, 60_000)
    await page.goto('/dashboard/account')
    await page.getByLabel('Name').fill('Cleo the Second')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Saved.').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).filter({ visible: true }).click()
    await page.waitForURL(`${site.url}/`)
    expect(await heard(site, cleo)).not.toEqual([])
    await visit.context.close()
  })

  test('I6: a sign-in that was denied says so, and one that would lead elsewhere stays here', async () => {
    const { page, context } = await site.visit({ javaScriptEnabled: false })
    await page.goto('/login?returnTo=//evil.example')
    const go = page.getByRole('link', { name: 'Continue with Google' })
    expect(await go.getAttribute('href')).toBe('/api/v1/auth/google?returnTo=%2Fdashboard')
    await go.click()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('You did not let Google tell us').waitFor()
    await context.close()
  })
})
