import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { looks, overflow, screenshots, violationsOn } from './look.ts'
import { hasChromium, type Site, startSite, type Visit } from './site.ts'
import { becomeSubscriber, type Newcomer, newcomer } from './steps.ts'

/** Somebody connects what they have at Google, and takes it back. */
let site: Site
let visit: Visit
let ada: Newcomer
beforeAll(async () => {
  if (!hasChromium) return
  site = await startSite({}, { FEATURE_GOOGLE_INTEGRATIONS: 'true' })
  visit = await site.visit()
  ada = newcomer('Ada')
  await becomeSubscriber(site, visit, ada)
}, 180_000)
afterAll(() => site?.stop())

/** Google's page, with these boxes left empty. */
async function agree({ page }: Visit, emptied: string[] = []) {
  await page.waitForURL('**/google/o/oauth2/**')
  const form = page.locator('form').first()
  for (const scope of emptied) await form.getByLabel(scope).uncheck()
  await form.getByRole('button', { name: ada.name }).first().click()
}

describe.skipIf(!hasChromium)('Google', () => {
  test('services are connected, refused, completed and disconnected on one page', async () => {
    const { page, complaints } = visit
    await page.goto('/dashboard')
    await page.getByRole('link', { name: 'Google', exact: true }).click()
    await page.getByRole('heading', { name: 'Google', exact: true }).waitFor()
    await page.getByText('Nothing yet').waitFor()

    await page.getByRole('link', { name: 'Connect Google Calendar' }).click()
    await agree(visit)
    await page.getByText('Google Calendar is connected.').waitFor()

    await page.getByRole('link', { name: 'Connect Gmail' }).click()
    await page.getByRole('button', { name: 'Cancel' }).first().click()
    await page.getByText('You did not agree at Google').waitFor()

    await page.getByRole('link', { name: 'Connect Gmail' }).click()
    await agree(visit, ['gmail.compose'])
    await page.getByText('You agreed to a part of it').waitFor()
    await page.getByRole('link', { name: 'Connect again: Gmail' }).click()
    await agree(visit)
    await page.getByText('Gmail is connected.').waitFor()
    expect(await page.getByText('You agreed to a part of it').count()).toBe(0)

    await page.getByRole('button', { name: 'Disconnect', exact: true }).last().click()
    await page.getByRole('button', { name: 'Disconnect Gmail' }).click()
    await page.getByText('Gmail is disconnected').waitFor()
    await page.getByRole('link', { name: 'Connect Gmail' }).waitFor()
    expect(complaints).toEqual([])
  })

  test('what it may do without asking is taken back, and what it did is listed', async () => {
    const { page } = visit
    const db = new pg.Client({ connectionString: site.system.databaseUrl })
    await db.connect()
    const summary = 'Send this mail in your name:\nTo: ben@example.com\nSubject: **Lunch**\n\n> On Friday?'
    const [user] = (await db.query('SELECT id FROM users WHERE email = $1', [ada.email])).rows
    await db.query(`INSERT INTO tool_permissions (user_id, tool) VALUES ($1, 'gmail_send')`, [user.id])
    for (const state of ['DONE', 'REFUSED', 'FAILED', 'EXPIRED'])
      await db.query(
        `INSERT INTO tool_actions (user_id, tool, input, summary, state, expires_at)
         VALUES ($1, 'gmail_send', '{}', $2, $3::"ToolActionState", now())`,
        [user.id, summary, state],
      )
    await db.end()
    await page.goto('/dashboard/integrations')
    for (const words of ['Done', 'You said no', 'Did not work', 'Not answered'])
      await page.getByText(words, { exact: true }).waitFor()
    expect(await page.getByText('Subject: Lunch').count()).toBe(4)
  })

  test.each(looks)('$colorScheme on a $viewport', async ({ colorScheme, viewport }) => {
    const seen = await site.visit({ colorScheme, viewport })
    await seen.context.addCookies(await visit.context.cookies())
    await seen.page.goto('/dashboard/integrations')
    await seen.page.getByRole('heading', { name: 'What it did' }).waitFor()
    const name = `dashboard-google-${colorScheme}-${viewport}.png`
    await seen.page.screenshot({ path: path.join(screenshots, name), fullPage: true })
    expect(await violationsOn(seen.page)).toEqual([])
    expect(await seen.page.evaluate(overflow)).toBe(0)
    await seen.context.close()
  })

  test('it asks again once that is wanted, without scripts, too', async () => {
    const plain = await site.visit({ javaScriptEnabled: false })
    await plain.context.addCookies(await visit.context.cookies())
    await plain.page.goto('/dashboard/integrations')
    await plain.page.getByRole('button', { name: 'Ask me again: send mail for me' }).click()
    await plain.page.getByText('Your assistant asks you again').waitFor()
    expect(await plain.page.getByRole('heading', { name: 'Without asking' }).count()).toBe(0)
    await plain.context.close()
  })
})
