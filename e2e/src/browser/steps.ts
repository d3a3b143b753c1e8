import { until } from '../until.ts'
import type { Site, Visit } from './site.ts'

/** Somebody who is nobody's user yet, with a Telegram of their own. */
export interface Newcomer {
  name: string
  email: string
  telegramUserId: number
}

let count = 0
export function newcomer(name: string): Newcomer {
  count += 1
  return { name, email: `${name.toLowerCase()}-${count}@example.test`, telegramUserId: 7_000_000 + count }
}

/** From the page that says "Continue with Google" to wherever it leads. */
export async function signIn({ page }: Visit, who: Newcomer): Promise<void> {
  await page.getByRole('link', { name: 'Continue with Google' }).click()
  await page.getByLabel('Name').fill(who.name)
  await page.getByLabel('E-mail').fill(who.email)
  await page.getByRole('button', { name: 'Continue' }).click()
}

/** Registers the newcomer's phone at the sandbox, which is who plays Telegram. */
export async function givePhone(site: Site, who: Newcomer): Promise<void> {
  const { name, email, telegramUserId } = who
  await site.system.sandbox('/sim/people', { name, email, telegramUserId })
}

export const says = (site: Site, who: Newcomer, text: string) =>
  site.system.sandbox(`/sim/telegram/${who.telegramUserId}/messages`, { text })

export async function heard(site: Site, who: Newcomer): Promise<string[]> {
  const events = await site.system.sandbox(`/sim/telegram/${who.telegramUserId}/messages`)
  return (events as { kind: string; text: string }[]).flatMap(({ kind, text }) =>
    kind === 'message' ? [text] : [],
  )
}

/** The code in the page's link to Telegram, as pressing Start there sends it. */
export async function startCommand({ page }: Visit): Promise<string> {
  const href = await page.getByRole('link', { name: 'Open Telegram' }).getAttribute('href')
  return `/start ${new URL(href ?? '').searchParams.get('start')}`
}

/** The landing page's picker, and signing in, up to the page that connects a chat. */
export async function arrive(visit: Visit, who: Newcomer): Promise<void> {
  const { page } = visit
  await page.goto('/')
  await page.getByText('Telegram', { exact: true }).click()
  await page.getByLabel('Which model answers?').selectOption({ label: 'Claude Haiku 4.5' })
  await page.getByRole('button', { name: 'Try it' }).click()
  await page.waitForURL('**/login?**')
  await signIn(visit, who)
  await page.waitForURL('**/onboarding/channel')
}

export async function connectTelegram(site: Site, visit: Visit, who: Newcomer): Promise<void> {
  const { page } = visit
  await givePhone(site, who)
  await page.getByRole('button', { name: 'Connect it' }).click()
  await says(site, who, await startCommand(visit))
  await page.waitForURL('**/onboarding/trial')
}

/** Stripe's page, with the card that works. */
export async function payInSandbox({ page }: Visit): Promise<void> {
  await page.getByRole('button', { name: 'Start the trial' }).click()
  await page.waitForURL('**/checkout/**')
  await page.getByRole('button', { name: 'Start trial' }).click()
  await page.waitForURL('**/onboarding/hello')
}

/** From nothing to an assistant that is up. */
export async function becomeSubscriber(site: Site, visit: Visit, who: Newcomer): Promise<void> {
  await arrive(visit, who)
  await connectTelegram(site, visit, who)
  await payInSandbox(visit)
  await visit.page.getByRole('heading', { name: 'It is there. Say hello.' }).waitFor({ timeout: 60_000 })
}

/** Cookies of somebody, without scripts: whoever they are signed in as. */
export async function withoutScripts(site: Site, { context }: Visit): Promise<Visit> {
  const plain = await site.visit({ javaScriptEnabled: false })
  await plain.context.addCookies(await context.cookies())
  return plain
}

/** Subjects of the mail that somebody got. */
export async function mailTo(site: Site, email: string): Promise<string[]> {
  const mails = await site.system.sandbox(`/sim/mail?to=${encodeURIComponent(email)}`)
  return (mails as { subject: string }[]).map(({ subject }) => subject)
}

/** Waits until the person heard exactly that. */
export const hears = (site: Site, who: Newcomer, text: string) =>
  until(async () => (await heard(site, who)).includes(text), 60_000)

/** The Stripe id of the person's subscription, from the sandbox's own list. */
export async function subscriptionOf(site: Site, who: Newcomer): Promise<string> {
  const headers = { authorization: 'Bearer sk_test_development' }
  const list = async (path: string) => {
    const response = await fetch(`${site.system.sandboxUrl}/v1/${path}`, { headers })
    return ((await response.json()) as { data: { id: string }[] }).data
  }
  const [customer] = await list(`customers?email=${encodeURIComponent(who.email)}`)
  const [subscription] = await list(`subscriptions?customer=${customer?.id}&status=all`)
  if (!subscription) throw new Error('the sandbox knows no such subscription')
  return subscription.id
}
