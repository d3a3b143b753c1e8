import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../until.ts'
import { hasChromium, operator, type Site, startSite, type Visit } from './site.ts'
import { becomeSubscriber, mailTo, type Newcomer, newcomer, withoutScripts } from './steps.ts'

/** Every form of the dashboard, and of the cookies, in a browser that runs no script. */
let site: Site
let visit: Visit
let ada: Newcomer
beforeAll(async () => {
  if (!hasChromium) return
  site = await startSite({ GA_MEASUREMENT_ID: 'G-TEST12345' })
  const scripted = await site.visit()
  ada = newcomer('Ada')
  await becomeSubscriber(site, scripted, ada)
  visit = await withoutScripts(site, scripted)
}, 180_000)
afterAll(() => site?.stop())

const press = (name: string) => visit.page.getByRole('button', { name, exact: true }).click()
const unfold = (text: string) => visit.page.locator('summary', { hasText: text }).first().click()
const says = (text: string) => visit.page.getByText(text).first().waitFor()
const me = async () => (await visit.context.request.get('/api/v1/users/me')).json()

describe.skipIf(!hasChromium)('without scripts', () => {
  test('the assistant: model, restart, a chat more and one less', async () => {
    const { page } = visit
    await page.goto('/dashboard')
    await page.getByRole('radio', { name: /GPT-6 Luna/ }).check()
    await press('Use this model')
    await says('The model is changed')
    await press('Restart')
    await says('It restarts')
    await press('Connect WhatsApp')
    await page.getByRole('link', { name: 'Open WhatsApp' }).waitFor()
    await unfold('Disconnect')
    await press('Disconnect Telegram')
    await says('The chat is disconnected')
    await until(async () => {
      const assistant = await (await visit.context.request.get('/api/v1/assistants')).json()
      return assistant.status === 'READY' && assistant.model === 'openai/gpt-6-luna'
    }, 60_000)
  })

  test('keys: one is refused, one is added and removed', async () => {
    const { page } = visit
    const add = async (key: string) => {
      await page.getByLabel('Provider').selectOption({ label: 'OpenAI' })
      await page.getByLabel('Key', { exact: true }).fill(key)
      await press('Check and add it')
    }
    await page.goto('/dashboard/keys')
    await site.system.sandbox('/sim/faults', { provider: 'openai', status: 401, count: 1 })
    await add('sk-wrong-1234567890')
    await page.locator('[aria-invalid=true]').waitFor()
    await add('sk-mine-1234567890')
    await says('OpenAI took the key')
    expect(await page.content()).not.toContain('sk-mine-1234567890')
    await unfold('Remove')
    await press('Remove the key')
    await says('The OpenAI key is removed')
  })

  test('usage: the chart is there, a cap is set, credit leads to Stripe', async () => {
    const { page } = visit
    await page.goto('/dashboard/usage')
    await page.getByLabel('Monthly cap in dollars').fill('lots')
    await press('Set the cap')
    await says('Give dollars, like 15 or 7.50.')
    await page.getByLabel('Monthly cap in dollars').fill('12')
    await press('Set the cap')
    await says('The cap is set')
    await press('$10')
    await page.waitForURL('**/checkout/**')
  })

  test('subscription: portal, cancel, keep', async () => {
    const { page } = visit
    await page.goto('/dashboard/subscription')
    await press('Card and invoices at Stripe')
    await page.waitForURL('**/portal/**')
    await page.goto('/dashboard/subscription')
    await unfold('Cancel')
    await press('Cancel the subscription')
    await says('Canceling')
    await press('Keep it after all')
    await says('Free trial')
  })

  test('tools: a wish reaches the operators', async () => {
    const { page } = visit
    await page.goto('/dashboard/tools')
    await page.getByLabel('What would you like to tell us?').fill('A calendar, please.')
    await press('Send it')
    await says('We read everything')
    await until(async () => (await mailTo(site, operator)).includes('A tool is asked for'), 60_000)
  })

  test('settings: where and when it speaks first, and what steps in', async () => {
    const { page } = visit
    await page.goto('/dashboard/settings')
    await page.getByLabel('It may speak first').uncheck()
    await page.getByLabel('Where').selectOption({ label: 'In WhatsApp (not connected)' })
    await page.getByLabel('From').fill('22:30')
    await page.getByRole('button', { name: 'Save' }).first().click()
    await says('Give both times')
    expect(await page.getByLabel('From').inputValue()).toBe('22:30')
    await page.getByLabel('Until').fill('22:30')
    await page.getByRole('button', { name: 'Save' }).first().click()
    await says('Quiet hours cannot begin and end')
    await page.getByLabel('Until').fill('07:00')
    await page.getByRole('button', { name: 'Save' }).first().click()
    await says('It holds from now on')
    await page.getByLabel('Fallback model').selectOption({ label: 'Claude Haiku 4.5' })
    await page.getByRole('button', { name: 'Save' }).last().click()
    await says('It steps in from now on')
    expect(await me()).toMatchObject({
      proactive: false,
      proactiveChannel: 'WHATSAPP',
      quietHours: { from: '22:30', until: '07:00' },
      fallbackModel: 'anthropic/claude-haiku-4-5-20251001',
    })
    await page.getByLabel('From').fill('')
    await page.getByLabel('Until').fill('')
    await page.getByRole('button', { name: 'Save' }).first().click()
    await says('It holds from now on')
    expect(await me()).toMatchObject({ quietHours: null })
  })

  test('account: profile, news, export, and the end of it', async () => {
    const { page } = visit
    await page.goto('/dashboard/account')
    await page.getByLabel('Name').fill('Ada the Second')
    await page.getByLabel('Time zone').selectOption('Europe/Berlin')
    await press('Save')
    await says('Saved.')
    await press('Send me news')
    await says('You are on the list')
    expect(await me()).toMatchObject({ name: 'Ada the Second', timeZone: 'Europe/Berlin', news: true })
    await press('No more news')
    await says('You are off the list')
    await press('Put it together')
    await page.getByRole('link', { name: 'Download it' }).waitFor({ timeout: 60_000 })
    await press('Yes, count me')
    await until(async () =>
      (await visit.context.cookies()).some(({ name, value }) => name === 'yc_consent' && value === 'granted'),
    )
    await page.goto('/dashboard/account')
    await unfold('Delete my account')
    await page.getByLabel('Your e-mail address').fill(ada.email)
    await press('Delete everything, for good')
    await page.waitForURL('**/goodbye')
  })
})
