import { openTestApp, type TestApp } from '../../testing/open-app.ts'
import type { GoogleService } from './google-services.ts'

/** For tests: a world whose people connect Google’s services in a browser. */
export async function openGoogleWorld(settings: Record<string, string> = {}) {
  const world = await openTestApp({ FEATURE_GOOGLE_INTEGRATIONS: 'true', ...settings })
  const { db } = world.deps
  const host = await db.hostServer.create({ data: { name: `host-${crypto.randomUUID()}` } })

  /** Somebody who pays, has an assistant on the host, and a chat on Telegram. */
  async function newPerson() {
    const email = `${crypto.randomUUID()}@example.test`
    await world.sim('google/users', { email, name: 'Eve Adams' })
    const browser = world.browser()
    await browser.signIn(email)
    const { id: userId } = await db.user.findUniqueOrThrow({ where: { email } })
    await db.subscription.create({ data: { userId, status: 'ACTIVE' } })
    const address = String(Math.floor(Math.random() * 1e12))
    await db.userPhone.create({ data: { userId, channel: 'TELEGRAM', address } })
    const { id: assistantId } = await db.assistant.update({
      where: { userId },
      data: { status: 'READY', desired: 'PRESENT', hostServerId: host.id },
    })
    return { email, userId, assistantId, hostId: host.id, browser, address }
  }
  return { ...world, newPerson, connect }
}
export type GoogleWorld = Awaited<ReturnType<typeof openGoogleWorld>>

/** From the page to Google and back; where the browser ends. */
export async function connect(
  browser: ReturnType<TestApp['browser']>,
  service: GoogleService,
  answer: Record<string, string> | URLSearchParams,
): Promise<URL> {
  const start = await browser.open(`/integrations/google/${service}/connect`)
  const google = start.headers.get('location')
  if (google === null) throw new Error(`no redirect to Google: ${start.status} ${await start.text()}`)
  const back = await fetch(google, {
    method: 'POST',
    body: new URLSearchParams(answer),
    redirect: 'manual',
  })
  const callback = back.headers.get('location') ?? 'about:blank'
  return new URL((await browser.open(callback)).headers.get('location') ?? 'about:blank')
}
