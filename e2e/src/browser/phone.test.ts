import path from 'node:path'
import { type Sandbox, startSandbox, twilioDefaults } from '@yourclaw/sandbox'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { looks, overflow, screenshots, violationsOn } from './look.ts'
import { hasChromium, openBrowser, viewports } from './site.ts'

/** The sandbox's phone, as whoever develops uses it: without the rest of the system. */
let sandbox: Sandbox
let browser: Browser
beforeAll(async () => {
  if (!hasChromium) return
  sandbox = await startSandbox({ port: 0 })
  browser = await openBrowser()
}, 60_000)
afterAll(async () => {
  await browser?.close()
  await sandbox?.stop()
})
beforeEach(async () => {
  if (hasChromium) await send('/sim/reset', {})
})

const whatsapp = 'whatsapp:+15550001'

async function send<T>(path: string, body: object, headers: Record<string, string> = {}): Promise<T> {
  const json = { 'content-type': 'application/json', ...headers }
  const response = await fetch(sandbox.url + path, {
    method: 'POST',
    headers: json,
    body: JSON.stringify(body),
  })
  return (await response.json()) as T
}
const read = async <T>(path: string) => (await (await fetch(sandbox.url + path)).json()) as T

const bot = (method: string, more: object) => send(`/telegram/bot1:x/${method}`, { chat_id: 1001, ...more })

/** A message of ours with a list below it. */
async function ask(): Promise<void> {
  const { accountSid, authToken, whatsappNumber } = twilioDefaults
  const authorization = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`
  const items = ['One', 'Two', 'Three'].map((item) => ({ item, id: item.toLowerCase() }))
  const types = { 'twilio/list-picker': { body: 'Which?', button: 'Choose', items } }
  const content = { friendly_name: 'which', language: 'en', types }
  const { sid } = await send<{ sid: string }>('/twilio/v1/Content', content, { authorization })
  await send(`/sim/whatsapp/${whatsapp}/messages`, { body: 'hello' })
  const form = { To: whatsapp, From: `whatsapp:${whatsappNumber}`, ContentSid: sid }
  const messages = `${sandbox.url}/twilio/2010-04-01/Accounts/${accountSid}/Messages.json`
  await fetch(messages, { method: 'POST', headers: { authorization }, body: new URLSearchParams(form) })
}

async function open(address = '/#1001'): Promise<Page> {
  const page = await browser.newPage({ viewport: viewports.desktop })
  await page.goto(sandbox.url + address)
  return page
}
const talk = (page: Page, app: string) => page.getByRole('region', { name: `${app} conversation` })

describe.skipIf(!hasChromium)('the phone', () => {
  test('a line of a list is chosen by the mouse and by the keyboard, and a list can be left', async () => {
    const page = await open()
    await ask()
    const list = talk(page, 'WhatsApp').getByRole('button', { name: 'Choose' })
    const chosen = async () =>
      (await read<{ person: { body: string }[] }>(`/sim/whatsapp/${whatsapp}/conversation`)).person
        .map(({ body }) => body)
        .slice(1)
    await list.click()
    await page.getByRole('dialog').getByRole('button', { name: 'Two' }).click()
    await talk(page, 'WhatsApp').getByText('Two', { exact: true }).waitFor()
    await list.focus()
    await page.keyboard.press('Enter')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await talk(page, 'WhatsApp').getByText('Three', { exact: true }).waitFor()
    expect(await chosen()).toEqual(['Two', 'Three'])
    await page.close()
  })

  test('what the keyboard is on stays under it while an answer is written', async () => {
    const page = await open()
    const draft = (text: string) => bot('sendMessageDraft', { draft_id: 7, text, can_stop: true })
    await draft('Once')
    const stop = talk(page, 'Telegram').getByRole('button', { name: 'Stop' })
    await stop.focus()
    await draft('Once upon')
    await talk(page, 'Telegram').getByText('Once upon', { exact: true }).waitFor()
    await page.keyboard.press('Enter')
    await expect
      .poll(() => read('/sim/telegram/1001/conversation'))
      .toMatchObject({ person: [{ kind: 'stop' }] })
    await page.close()
  })

  test('what went over the wire is behind each message, by the keyboard, too, and stays open', async () => {
    const page = await open()
    await bot('sendMessage', { text: 'hello' })
    const raw = talk(page, 'Telegram').getByLabel('Raw')
    await raw.focus()
    await page.keyboard.press('Enter')
    await bot('sendMessage', { text: 'more' })
    await talk(page, 'Telegram').getByText('more', { exact: true }).waitFor()
    expect(await talk(page, 'Telegram').getByText('"method": "sendMessage"').first().isVisible()).toBe(true)
    await page.close()
  })

  test('a link to Telegram is opened by somebody new, whose start button sends its code', async () => {
    const page = await open('/t.me/yourclaw_bot?start=a-code')
    await page.getByRole('button', { name: '+ Add a person' }).last().click()
    await page.getByLabel('Name').fill('Nora')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await talk(page, 'Telegram').getByText('/start a-code', { exact: true }).waitFor()
    const people = await read<{ name: string; telegramUserId: number }[]>('/sim/people')
    const nora = people.find(({ name }) => name === 'Nora')
    expect(page.url()).toBe(`${sandbox.url}/#${nora?.telegramUserId}`)
    await page.close()
  })

  test('a link to WhatsApp writes its words, and sends nothing', async () => {
    const page = await open('/wa.me/15550100?text=Connect%20my%20assistant%3A%20YC-A')
    await page.getByRole('dialog').getByRole('button', { name: /Ben/ }).click()
    const words = talk(page, 'WhatsApp').getByLabel('Message', { exact: true })
    await expect.poll(() => words.inputValue()).toBe('Connect my assistant: YC-A')
    expect(await read('/sim/whatsapp/whatsapp:+15550002/conversation')).toMatchObject({ person: [] })
    await page.close()
  })

  test.each(looks)('$colorScheme on a $viewport', async ({ colorScheme, viewport }) => {
    await ask()
    await send('/sim/telegram/1001/messages', { photo: true, caption: 'look' })
    await bot('sendMessage', {
      text: 'Nice.',
      reply_markup: { inline_keyboard: [[{ text: 'Yes', callback_data: 'y' }]] },
    })
    const page = await browser.newPage({ viewport: viewports[viewport], colorScheme })
    await page.goto(`${sandbox.url}/#1001`)
    await talk(page, 'Telegram').getByText('Nice.', { exact: true }).waitFor()
    const shown = async (name: string) => {
      expect(await violationsOn(page)).toEqual([])
      expect(await page.evaluate(overflow)).toBe(0)
      await page.screenshot({ path: path.join(screenshots, `phone-${name}-${colorScheme}-${viewport}.png`) })
    }
    await shown('telegram')
    if (viewport === 'phone') await page.getByLabel('WhatsApp', { exact: true }).check({ force: true })
    await talk(page, 'WhatsApp').getByRole('button', { name: 'Choose' }).click()
    await shown('list')
    await page.close()
  })
})
