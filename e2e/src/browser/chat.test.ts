import { randomUUID } from 'node:crypto'
import path from 'node:path'
import pg from 'pg'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../until.ts'
import { looks, overflow, screenshots, violationsOn } from './look.ts'
import { hasChromium, type Site, startSite, type Visit } from './site.ts'
import { becomeSubscriber, heard, hears, type Newcomer, newcomer, says } from './steps.ts'

/** Somebody writes to their assistant in the browser, with everything behind it. */
let site: Site
let visit: Visit
let ada: Newcomer
let page: Page
beforeAll(async () => {
  if (!hasChromium) return
  site = await startSite({}, { RATE_LIMIT_PER_MINUTE: '100' })
  visit = await site.visit()
  ada = newcomer('Ada')
  await becomeSubscriber(site, visit, ada)
  page = visit.page
}, 180_000)
afterAll(() => site?.stop())

const field = (on = page) => on.getByRole('textbox', { name: 'Message', exact: true })
const messages = (on = page) => on.locator('ol > li[id^="m-"]')
const script = (more: object) => site.system.sandbox('/sim/models/script', more)

async function open(on = page) {
  await on.goto('/dashboard/chat')
  // Its scripts run, and it hears what is new.
  await on.locator('[data-connection=live]').waitFor()
}
async function write(text: string, on = page) {
  await field(on).fill(text)
  await field(on).press('Enter')
}
const answered = (text: string, on = page) => messages(on).getByText(text, { exact: true }).last().waitFor()

/** In the browser: searches until it is too often. */
const searchOften = async () => {
  const ask = () => fetch('/api/v1/messages?q=needle').then(({ status }) => status)
  const statuses = [await ask()]
  // Twice what a minute allows: one may end on the way.
  while (statuses.length < 130 && statuses.at(-1) === 200) statuses.push(await ask())
  return statuses
}

/** In the browser: a file is dropped on the conversation, or pasted. */
const giveFile = (kind: string) => {
  interface Transfer {
    items: { add(file: unknown): void }
  }
  const browser = globalThis as unknown as {
    File: new (parts: string[], name: string, options: object) => unknown
    DataTransfer: new () => Transfer
    DragEvent: new (type: string, init: object) => object
    ClipboardEvent: new (type: string, init: object) => object
    document: { querySelector(name: string): { dispatchEvent(event: object): void } }
  }
  const data = new browser.DataTransfer()
  data.items.add(new browser.File(['given'], `${kind}.txt`, { type: 'text/plain' }))
  const init = { bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data }
  const event = kind === 'drop' ? new browser.DragEvent(kind, init) : new browser.ClipboardEvent(kind, init)
  browser.document.querySelector('textarea').dispatchEvent(event)
}

/** In the browser. */
type Scroller = { scrollTop: number; scrollHeight: number }
const scrollUp = (element: object) => {
  ;(element as Scroller).scrollTop = -(element as Scroller).scrollHeight
}
const isAtEnd = (element: object) => (element as Scroller).scrollTop > -2

/** In the browser. */
const directionOf = (element: unknown) =>
  (globalThis as unknown as { getComputedStyle(of: unknown): { direction: string } }).getComputedStyle(
    element,
  ).direction

async function sql(text: string, values: unknown[] = []) {
  const client = new pg.Client({ connectionString: site.system.databaseUrl })
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}

/** In the browser: every text that the running answer shows, and what screen readers are told, one after the other. */
const watchAnswer = `globalThis.seen = []
globalThis.said = []
new MutationObserver(() => {
  const text = document.querySelector('[data-answer]')?.textContent?.trim()
  if (text !== undefined && text !== globalThis.seen.at(-1)) globalThis.seen.push(text)
  const told = document.querySelector('[aria-label=Conversation] > [role=status]')?.textContent
  if (told && told !== globalThis.said.at(-1)) globalThis.said.push(told)
}).observe(document.body, { subtree: true, childList: true, characterData: true })`
const seen = () => page.evaluate<string[]>('globalThis.seen')

const words = Array.from({ length: 40 }, (_, index) => `word${index}`).join(' ')

describe.skipIf(!hasChromium)('the chat', () => {
  test('M11: an answer is seen while it is written, and is one of one conversation with the phone’s', async () => {
    await says(site, ada, 'from the phone')
    await hears(site, ada, 'from the phone')
    await open()
    await answered('from the phone')
    expect(await messages().filter({ hasText: 'Telegram' }).count()).toBeGreaterThan(1)
    await script({ match: 'slowly', reply: words, delayMs: 1_500, stream: { chunkDelayMs: 80 } })
    await page.evaluate(watchAnswer)
    await write('slowly, please')
    await page.locator('[data-answer]').getByText('Your assistant is writing').waitFor()
    await answered(words)
    const shown = await seen()
    expect(shown.length).toBeGreaterThan(5)
    for (const [index, text] of shown.entries())
      if (index > 1) expect(text.startsWith(shown[index - 1] ?? '')).toBe(true)
    // A screen reader hears two things, and not every word.
    await page.getByRole('status').getByText(words).waitFor()
    expect(await page.evaluate('globalThis.said')).toEqual(['Your assistant is writing.', words])
    // What was asked here is answered here.
    expect(await heard(site, ada)).not.toContain(words)
    expect(visit.complaints.splice(0)).toEqual([])
  })

  test('M1: a connection that breaks in mid-answer comes back by itself, and no token is lost', async () => {
    await open()
    const reply = words.replaceAll('word', 'token')
    await script({ match: 'break', reply, stream: { chunkDelayMs: 250 } })
    await page.evaluate(watchAnswer)
    await write('break in the middle')
    await page.locator('[data-answer]').getByText('token3').waitFor()
    await site.system.restart({ WEB_URL: site.url, RATE_LIMIT_PER_MINUTE: '100' })
    await answered(reply)
    await page.getByText('Not connected').waitFor({ state: 'detached' })
    const shown = (await seen()).filter((text) => text.startsWith('token'))
    for (const [index, text] of shown.entries())
      expect(text.startsWith(shown[index - 1] ?? '') && reply.startsWith(text)).toBe(true)
    // Of a server that was away.
    visit.complaints.splice(0)
  })

  test('M11: what is stopped stays as far as it came, and may be tried again', async () => {
    await open()
    await script({ match: 'essay', reply: words.replaceAll('word', 'line'), stream: { chunkDelayMs: 300 } })
    await write('an essay')
    await page.locator('[data-answer]').getByText('line2').waitFor()
    await page.keyboard.press('Escape')
    const stopped = messages().filter({ hasText: 'an essay' })
    await stopped.getByText('Stopped').waitFor()
    await page.locator('[data-answer]').waitFor({ state: 'detached' })
    await script({ match: 'essay', reply: 'A short one.' })
    await stopped.getByRole('button', { name: 'Try again' }).click()
    await answered('A short one.')
  })

  test('M2: what could not be sent is kept, through a reload too, and stored once', async () => {
    await open()
    await page.route('**/api/v1/messages', (route) => route.abort())
    await write('once and only once')
    await page.getByText('Not sent').waitFor()
    await page.unroute('**/api/v1/messages')
    await page.reload()
    await answered('once and only once')
    const rows = await sql("SELECT FROM messages WHERE body = 'once and only once' AND direction = 'INBOUND'")
    expect(rows).toHaveLength(1)
    // Stored, and its answer lost: the same key again stores nothing.
    await page.route(
      '**/api/v1/messages',
      async (route) => {
        await route.fetch()
        await route.abort()
      },
      { times: 1 },
    )
    await write('stored, but who knows')
    await answered('stored, but who knows')
    expect(
      await sql("SELECT FROM messages WHERE body = 'stored, but who knows' AND direction = 'INBOUND'"),
    ).toHaveLength(1)
    visit.complaints.splice(0)
  })

  test('M2: what was written without a network goes out by itself, once, when it is back', async () => {
    await open()
    await visit.context.setOffline(true)
    await page.getByText('Not connected').waitFor()
    await write('written in a tunnel')
    await page.getByText('It goes out when you are back').waitFor()
    await visit.context.setOffline(false)
    await answered('written in a tunnel')
    const rows = await sql(
      "SELECT FROM messages WHERE body = 'written in a tunnel' AND direction = 'INBOUND'",
    )
    expect(rows).toHaveLength(1)
    await page.getByText('Not connected').waitFor({ state: 'detached' })
    visit.complaints.splice(0)
  })

  test('M4: what did not get through goes out by itself while the chat is live, and in order', async () => {
    await open()
    const fails = { status: 502, body: 'Bad gateway' }
    await page.route('**/api/v1/messages', (route) => route.fulfill(fails), { times: 1 })
    await write('one of three')
    await page.getByText('It did not get through. Trying again by itself.').waitFor()
    expect(await page.getByText('It goes out when you are back').count()).toBe(0)
    await answered('one of three')
    // The first is on its way when the others are written.
    const held = Promise.withResolvers<void>()
    await page.route(
      '**/api/v1/messages',
      async (route) => {
        await held.promise
        await route.abort()
      },
      { times: 1 },
    )
    await write('two of three')
    await write('three of three')
    held.resolve()
    await answered('three of three')
    const rows = await sql(
      "SELECT body FROM messages WHERE body LIKE '%of three' AND direction = 'INBOUND' ORDER BY seq",
    )
    expect(rows.map(({ body }) => body)).toEqual(['one of three', 'two of three', 'three of three'])
    visit.complaints.splice(0)
  })

  test('M2: what hangs on a connection that is gone goes out on the next one, once', async () => {
    await open()
    const held = Promise.withResolvers<void>()
    await page.route(
      '**/api/v1/messages',
      async (route) => {
        await held.promise
        await route.abort().catch(() => {})
      },
      { times: 1 },
    )
    await write('into a dead connection')
    await page.getByText('Sending').waitFor()
    await visit.context.setOffline(true)
    await page.getByText('Not connected').waitFor()
    await visit.context.setOffline(false)
    await answered('into a dead connection')
    held.resolve()
    const rows = await sql(
      "SELECT FROM messages WHERE body = 'into a dead connection' AND direction = 'INBOUND'",
    )
    expect(rows).toHaveLength(1)
    visit.complaints.splice(0)
  })

  test('an event that comes means that the chat is live, whatever the browser says', async () => {
    await open()
    await page.evaluate("globalThis.dispatchEvent(new Event('offline'))")
    await page.getByText('Not connected').waitFor()
    await says(site, ada, 'over a network that is not there')
    await answered('over a network that is not there')
    await page.getByText('Not connected').waitFor({ state: 'detached' })
    expect(visit.complaints.splice(0)).toEqual([])
  })

  test('M14: over the limit it says so, and when it resets', async () => {
    await open()
    const [{ inbound_count: before }] = (await sql('SELECT inbound_count FROM usage_daily')) as [
      { inbound_count: number },
    ]
    await sql('UPDATE usage_daily SET inbound_count = 100')
    await write('one too many')
    const refused = messages().filter({ hasText: 'one too many' })
    await refused.getByText('Not answered').waitFor()
    await page
      .getByText(/You can write again in \d+/)
      .first()
      .waitFor()
    await sql('UPDATE usage_daily SET inbound_count = $1', [before])
    await refused.getByRole('button', { name: 'Try again' }).click()
    await until(async () => (await messages().getByText('one too many').count()) === 3, 30_000)
    visit.complaints.splice(0)
  })

  test('S1: Markdown is shown, code in colours, and nothing of an answer becomes a tag or a script', async () => {
    await open()
    const reply = [
      'A **bold** word, <img src=x onerror="alert(1)"> and [a link](javascript:alert(2)), [another](https://example.test/a)',
      '',
      '| a | b |',
      '| - | - |',
      '| 1 | 2 |',
      '',
      '```ts',
      'const answer = 42 // <b>',
      '```',
      '',
      '![picture](https://elsewhere.test/x.png)',
      '',
      '## A heading',
      '',
      '> What they said, in 1984',
      '',
      '1. one',
      '   - within it',
      '2. two',
      '',
      '- רשימה',
      '',
      'שלום **עולם** 👩‍👩‍👧‍👦 123',
    ].join('\n')
    await script({ match: 'markdown', reply })
    await write('markdown, please')
    const answer = messages().filter({ hasText: 'bold' })
    await answer.locator('strong', { hasText: 'bold' }).waitFor()
    await answer.locator('code span', { hasText: 'const' }).waitFor()
    expect(await answer.locator('img, script, b').count()).toBe(0)
    const links = await answer.locator('a').all()
    expect(await Promise.all(links.map((link) => link.getAttribute('href')))).toEqual([
      'https://example.test/a',
      'https://elsewhere.test/x.png',
    ])
    expect(await answer.locator('td').allTextContents()).toEqual(['1', '2'])
    await answer.getByText('A heading', { exact: true }).waitFor()
    await answer.locator('blockquote', { hasText: 'in 1984' }).waitFor()
    await answer.locator('ol > li > ul > li', { hasText: 'within it' }).waitFor()
    const hebrew = answer.locator('p', { hasText: 'שלום עולם 👩‍👩‍👧‍👦 123' })
    expect(await hebrew.evaluate(directionOf)).toBe('rtl')
    expect(await answer.locator('ul', { hasText: 'רשימה' }).evaluate(directionOf)).toBe('rtl')
    expect(await answer.locator('ol').evaluate(directionOf)).toBe('ltr')
    await visit.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: site.url })
    await answer.getByRole('button', { name: 'Copy the code' }).click()
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe('const answer = 42 // <b>')
    await answer.getByRole('button', { name: 'Copy the message' }).click()
    await expect.poll(() => page.evaluate('navigator.clipboard.readText()')).toBe(reply)
    expect(visit.complaints.splice(0)).toEqual([])
  })

  test('the keyboard alone: a draft with lines, the search and back, and the draft outlives a reload', async () => {
    await open()
    await field().focus()
    await page.keyboard.type('first')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('second /')
    await page.reload()
    await expect.poll(() => field().inputValue()).toBe('first\nsecond /')
    await page.keyboard.press('Enter')
    await expect.poll(() => field().inputValue()).toBe('')
    await messages().getByText('first\nsecond /').first().waitFor()
    await page.locator('body').click({ position: { x: 600, y: 60 } })
    await page.getByRole('region', { name: 'Conversation' }).locator('[tabindex="0"]').first().focus()
    await page.keyboard.press('/')
    await page.locator('input[type=search]:focus').waitFor()
    await page.keyboard.type('SECOND')
    await page.getByText('with “SECOND”').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('textarea:focus').waitFor()
    expect(await page.locator('input[type=search]').inputValue()).toBe('')
  })

  test('M9: files are chosen, dropped or pasted, go with a message, and are shown', async () => {
    await open()
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    )
    await page.getByLabel('Attach files').setInputFiles([
      { name: 'dot.png', mimeType: 'image/png', buffer: png },
      { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('read me') },
      { name: 'empty.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) },
      { name: 'large.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(20 * 1024 * 1024 + 1) },
    ])
    const chosen = page.getByRole('list', { name: 'Files to send' })
    await chosen.getByText('This file is empty.').waitFor()
    await chosen.getByText('This file is larger than 20 MB.').waitFor()
    await until(async () => (await chosen.getByText('Ready').count()) === 2, 30_000)
    for (const name of ['empty.txt', 'large.bin'])
      await chosen.getByRole('button', { name: `Remove ${name}` }).click()
    for (const kind of ['drop', 'paste']) await page.evaluate(giveFile, kind)
    await until(async () => (await chosen.getByText('Ready').count()) === 4, 30_000)
    await write('with files')
    const sent = messages().filter({ hasText: 'with files' }).first()
    await sent.locator('img').waitFor()
    expect(
      await sent
        .locator('img')
        .evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth),
    ).toBe(1)
    for (const name of ['notes.txt', 'drop.txt', 'paste.txt'])
      await sent.getByRole('link', { name }).waitFor()
    const link = await sent.getByRole('link', { name: 'notes.txt' }).getAttribute('href')
    expect(await (await fetch(`${site.url}${link}`)).text()).toBe('read me')
    expect(await chosen.count()).toBe(0)
    expect(visit.complaints.splice(0)).toEqual([])
  })

  test('a command is answered here, and its question has buttons', async () => {
    await open()
    await write('/model')
    await messages().getByRole('button', { name: 'Claude Haiku 4.5' }).click()
    await page.getByText('now thinks with').last().waitFor()
    await messages().getByText('Claude Haiku 4.5', { exact: true }).last().waitFor()
    expect(await messages().getByRole('button', { name: 'Claude Haiku 4.5' }).count()).toBe(0)
    expect(visit.complaints.splice(0)).toEqual([])
  })

  test('what was written, changed and left on phones is seen as it was there', async () => {
    await open()
    await write('/new plan my week')
    await messages().getByText('/new plan my week', { exact: true }).waitFor()
    await answered('plan my week')
    const order = (await messages().allTextContents()).join(' ')
    expect(order).toMatch(/\/new plan my week.*This is a fresh conversation.*plan my week/)
    const { messageId } = (await says(site, ada, 'at five')) as { messageId: number }
    await hears(site, ada, 'at five')
    await site.system.sandbox(`/sim/telegram/${ada.telegramUserId}/edits`, { messageId, text: 'at six' })
    const changed = messages().filter({ hasText: 'Instead of “at five”' })
    await changed.getByText('at six', { exact: true }).waitFor()
    await changed.getByText('Edited').waitFor()

    const whatsappAddress = 'whatsapp:+442079460018'
    await site.system.sandbox('/sim/people', { email: ada.email, whatsappAddress })
    // A restart binds whatever number the sandbox's people have.
    await sql("DELETE FROM user_phones WHERE channel = 'WHATSAPP'")
    await sql(
      `INSERT INTO user_phones (user_id, channel, address, phone_e164)
      SELECT id, 'WHATSAPP', $2, '+442079460018' FROM users WHERE email = $1`,
      [ada.email, whatsappAddress],
    )
    const tell = (body: string) => site.system.sandbox(`/sim/whatsapp/${whatsappAddress}/messages`, { body })
    await tell('STOP')
    await messages().getByText('STOP', { exact: true }).waitFor()
    await tell('anybody?')
    const refused = messages().filter({ hasText: 'anybody?' })
    await refused.getByText('Write START there to go on.').waitFor()
    await page.goto('/dashboard')
    await page.getByText('+44 20 7946 0018').waitFor()
    await page.getByText('You wrote STOP there').waitFor()
    const link = page.getByRole('link', { name: 'Open the chat with START' })
    expect(await link.getAttribute('href')).toContain('text=START')
    await tell('START')
    await open()
    await messages().getByText('START', { exact: true }).waitFor()
    await page.getByLabel('Search the conversation').fill('/new plan')
    await page.getByRole('link', { name: /^You .*\/new plan my week$/ }).waitFor()
    expect(visit.complaints.splice(0)).toEqual([])
  })

  test.each(looks)('all of it has no violation, $colorScheme on a $viewport', async (look) => {
    const other = await site.visit(look)
    await other.context.addCookies(await visit.context.cookies())
    await open(other.page)
    await messages(other.page).locator('code span', { hasText: 'const' }).first().waitFor()
    const name = `chat-all-${look.colorScheme}-${look.viewport}.png`
    await other.page.screenshot({ path: path.join(screenshots, name) })
    const violations = await violationsOn(other.page)
    await messages(other.page).locator('td').last().scrollIntoViewIfNeeded()
    await other.page.screenshot({ path: path.join(screenshots, name.replace('all', 'markdown')) })
    await script({ match: 'tell me slowly', reply: words, stream: { chunkDelayMs: 100 } })
    await write('tell me slowly', other.page)
    await other.page.locator('[data-answer]', { hasText: 'word5' }).waitFor()
    await other.page.screenshot({ path: path.join(screenshots, name.replace('all', 'writing')) })
    violations.push(...(await violationsOn(other.page)))
    await other.page.keyboard.press('Escape')
    await other.page.getByText('Stopped', { exact: true }).last().waitFor()
    await other.page.setViewportSize({ width: 320, height: 640 })
    expect([violations, await other.page.evaluate(overflow), other.complaints]).toEqual([[], 0, []])
    // As over the keyboard of a phone.
    await other.page.setViewportSize({ width: 320, height: 330 })
    await field(other.page).focus()
    const box = await field(other.page).boundingBox()
    expect(box && box.y > 200 && box.y + box.height < 330).toBe(true)
    await other.context.close()
  })

  test('nothing that anybody writes is wider than a phone: not in the conversation, not in what was found', async () => {
    const phone = await site.visit({ viewport: 'phone' })
    await phone.context.addCookies(await visit.context.cookies())
    await open(phone.page)
    const long = `unbreakable${'andstillgoingon'.repeat(8)}`
    await script({ match: 'unbreakable', reply: `${long} \`${long}\` https://example.test/${long}` })
    await write(long, phone.page)
    await messages(phone.page).locator('code', { hasText: long }).last().waitFor()
    const file = { name: `${long}.txt`, mimeType: 'text/plain', buffer: Buffer.from('wide') }
    await phone.page.getByLabel('Attach files').setInputFiles(file)
    await phone.page.getByText('Ready').waitFor()
    await phone.page.getByRole('button', { name: 'Send' }).click()
    await messages(phone.page).getByText('4 bytes').last().waitFor()
    /** In the browser: what stands out, but for what scrolls by itself. */
    const wider = (within: string) =>
      phone.page.evaluate<string[]>(`[...document.querySelectorAll('${within} li *')]
        .filter((one) => !one.closest('pre, table'))
        .filter((one) => one.getBoundingClientRect().left < 0 || one.getBoundingClientRect().right > innerWidth)
        .map((one) => one.outerHTML.slice(0, 200))`)
    await phone.page.screenshot({ path: path.join(screenshots, 'chat-wide-phone.png') })
    expect(await wider('section[aria-label=Conversation]')).toEqual([])
    await phone.page.getByLabel('Search the conversation').fill('andstillgoing')
    await phone.page.locator('mark').first().waitFor()
    await phone.page.screenshot({ path: path.join(screenshots, 'chat-wide-found-phone.png') })
    expect(await wider('section[aria-label="What was found"]')).toEqual([])
    expect(await phone.page.evaluate(overflow)).toBe(0)
    await phone.context.close()
  })

  test('a long history: older messages come above without a move, a search leads into it, and back to the newest', async () => {
    const [{ id }] = (await sql('SELECT id FROM users WHERE email = $1', [ada.email])) as [{ id: string }]
    await sql('UPDATE messages SET seq = seq + 1000 WHERE user_id = $1', [id])
    await sql('UPDATE assistants SET last_seq = last_seq + 1000 WHERE user_id = $1', [id])
    await sql(
      `INSERT INTO messages (user_id, direction, channel, address, body, provider_message_id, seq, state, created_at)
      SELECT $1::uuid, 'INBOUND', 'WEB', $1, 'old ' || n || CASE n WHEN 7 THEN ' needle' ELSE '' END, $1 || ':' || n, n, 'ANSWERED',
        now() - interval '100 days' + n * interval '1 hour' FROM generate_series(1, 150) n`,
      [id],
    )
    await open()
    const newest = messages().last()
    await newest.waitFor()
    expect(await page.getByText('old 3', { exact: true }).count()).toBe(0)
    const scroller = page.getByRole('region', { name: 'Conversation' }).locator('[tabindex="0"]').first()
    const first = messages().first()
    const firstId = await first.getAttribute('id')
    await first.scrollIntoViewIfNeeded()
    const before = (await page.locator(`[id="${firstId}"]`).boundingBox())?.y
    await until(async () => (await messages().first().getAttribute('id')) !== firstId, 30_000)
    const after = (await page.locator(`[id="${firstId}"]`).boundingBox())?.y
    expect(Math.abs((after ?? 0) - (before ?? 0))).toBeLessThan(150)
    await until(async () => {
      await scroller.evaluate(scrollUp)
      return (await page.getByText('old 1', { exact: true }).count()) === 1
    }, 60_000)
    // Who reads further up is not moved by what comes below.
    const read = page.getByText('old 5', { exact: true })
    await read.scrollIntoViewIfNeeded()
    const place = (await read.boundingBox())?.y
    await says(site, ada, 'meanwhile, from the phone')
    await answered('meanwhile, from the phone')
    expect(Math.abs(((await read.boundingBox())?.y ?? 0) - (place ?? 0))).toBeLessThan(2)
    await page.getByRole('button', { name: 'To the newest' }).click()
    await until(() => scroller.evaluate(isAtEnd), 30_000)
    await page.getByLabel('Search the conversation').fill('needle')
    await page.getByRole('link', { name: /old 7/ }).click()
    await page.waitForURL('**before=**')
    await expect.poll(() => page.getByText('old 7 needle').isVisible()).toBe(true)
    await page.getByRole('link', { name: 'To the newest messages' }).click()
    await page.waitForURL(`${site.url}/dashboard/chat`)
    // It looks through what is read, and shows it so.
    await script({ match: 'the price', reply: 'It costs **nine** _dollars_ a month.' })
    await write('the price')
    await messages().getByText('dollars').last().waitFor()
    await page.getByLabel('Search the conversation').fill('costs nine dollars')
    await page.getByRole('link', { name: 'It costs nine dollars a month.' }).waitFor()
    await page.screenshot({ path: path.join(screenshots, 'chat-found.png') })
    await page.getByLabel('Search the conversation').fill('**nine')
    await page.getByText('Nothing with').waitFor()
    await page.keyboard.press('Escape')
    await page.waitForURL(`${site.url}/dashboard/chat`)
    expect(visit.complaints.splice(0)).toEqual([])
  })

  test('who searches too often is told so beside what they typed, and reads on', async () => {
    // Her own searches: those of others go on.
    const searcher = await site.visit()
    await becomeSubscriber(site, searcher, newcomer('Sue'))
    const { page } = searcher
    await open(page)
    await write('hello', page)
    await answered('hello', page)
    const statuses = await page.evaluate(searchOften)
    expect(statuses.at(-1)).toBe(429)
    await page.getByLabel('Search the conversation').fill('needle')
    await page.getByText('That was too much searching at once.').waitFor()
    expect(await page.getByLabel('Search the conversation').inputValue()).toBe('needle')
    expect(await violationsOn(page)).toEqual([])
    for (const [name, width] of [
      ['desktop', 1280],
      ['phone', 390],
    ] as const) {
      await page.setViewportSize({ width, height: 800 })
      expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0)
      await page.screenshot({ path: path.join(screenshots, `chat-not-searched-${name}.png`) })
    }
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.keyboard.press('Escape')
    await messages(page).last().waitFor()
    await searcher.context.close()
  })
})

describe.skipIf(!hasChromium)('without scripts', () => {
  test('a message is sent by a form, once, and its answer is there after a reload', async () => {
    const plain = await site.visit({ javaScriptEnabled: false, viewport: 'phone' })
    await plain.context.addCookies(await visit.context.cookies())
    await plain.page.goto('/dashboard/chat')
    const text = `no script ${randomUUID()}`
    await field(plain.page).fill(text)
    await plain.page.getByRole('button', { name: 'Send' }).click()
    await until(async () => {
      await plain.page.goto('/dashboard/chat')
      return (await messages(plain.page).getByText(text).count()) === 2
    }, 30_000)
    await plain.page.getByLabel('Search the conversation').fill(text)
    await plain.page.getByLabel('Search the conversation').press('Enter')
    await plain.page.getByText(`2 messages with “${text}”`).waitFor()
    await plain.context.close()
  })
})

describe.skipIf(!hasChromium)('signed out', () => {
  test('I7: whoever signs out elsewhere sees no more, and is led to signing in', async () => {
    const other = await site.visit()
    await other.context.addCookies(await visit.context.cookies())
    await open(other.page)
    const headers = { origin: site.url }
    await visit.context.request.post('/api/v1/auth/logout', { headers })
    await other.page.waitForURL('**/login?**')
    await other.context.close()
  })
})
