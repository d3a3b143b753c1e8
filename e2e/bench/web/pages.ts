/** `pnpm bench web`: what a page weighs, how soon it is there, and how soon a payment is an assistant. */
import { gzipSync } from 'node:zlib'
import setUpDatabase from '../../../prisma/src/testing-setup.ts'
import build from '../../src/browser/build.ts'
import { type Site, startSite, type Visit } from '../../src/browser/site.ts'
import { arrive, connectTelegram, hears, newcomer, says } from '../../src/browser/steps.ts'
import { until } from '../../src/until.ts'
import { ms, percentile, type Row, summary } from '../figures.ts'

const people = 8
const renders = 200
const paints = 9
const open = ['/', '/pricing', '/terms', '/status', '/login']
const signedIn = ['', '/chat', '/keys', '/usage', '/subscription', '/tools', '/settings', '/account'].map(
  (page) => `/dashboard${page}`,
)

export async function benchWeb(): Promise<Row[]> {
  await build()
  const dropDatabase = await setUpDatabase()
  const site = await startSite()
  try {
    const subscriber = await site.visit()
    const provisioned: number[] = []
    for (let person = 0; person < people; person += 1) {
      const visit = person === 0 ? subscriber : await site.visit()
      provisioned.push(await payAndWait(site, visit))
    }
    const { p50, p99 } = summary(provisioned)
    return [
      ...(await weigh(site, open)),
      ...(await weigh(site, signedIn, subscriber)),
      {
        what: `paid at Stripe’s page → READY, fake runtime (${people} people)`,
        figure: `p50 ${ms(p50)}, p99 ${ms(p99)}`,
      },
      ...(await render(site, open)),
      ...(await render(site, ['/dashboard', '/dashboard/usage'], subscriber)),
      await paint(site, 'desktop'),
      await paint(site, 'phone'),
    ]
  } finally {
    await site.stop()
    await dropDatabase()
  }
}

/** From the press of the last button to the API's word that the assistant is ready; the browser then has no part in it. */
async function payAndWait(site: Site, visit: Visit): Promise<number> {
  const who = newcomer('Bench')
  await arrive(visit, who)
  await connectTelegram(site, visit, who)
  const { page, context } = visit
  await page.getByRole('button', { name: 'Start the trial' }).click()
  await page.waitForURL('**/checkout/**')
  const checkout = page.url()
  const startedAt = performance.now()
  await context.request.post(checkout, {
    form: { email: who.email, name: who.name, card: '4242424242424242' },
    maxRedirects: 0,
  })
  await until(async () => {
    const assistant = await (await context.request.get('/api/v1/assistants')).json()
    return (assistant as { status: string }).status === 'READY'
  })
  const tookMs = performance.now() - startedAt
  // So that there is something to show of it.
  await says(site, who, 'hello')
  await hears(site, who, 'hello')
  return tookMs
}

/** All scripts that a page asks for until the network is quiet, each as gzip makes it. */
async function weigh(site: Site, addresses: string[], whose?: Visit): Promise<Row[]> {
  const rows: Row[] = []
  for (const address of addresses) {
    const visit = await site.visit()
    await visit.context.addCookies((await whose?.context.cookies()) ?? [])
    const scripts: Promise<number>[] = []
    visit.page.on('response', (response) => {
      if (response.request().resourceType() !== 'script') return
      scripts.push(response.body().then((body) => gzipSync(body).length))
    })
    // A page with live events is never quiet; what it loads, it loads within the first seconds.
    await visit.page.goto(address, { waitUntil: 'load' })
    if (address.endsWith('/usage')) await visit.page.locator('figure svg').first().waitFor()
    await visit.page.waitForLoadState('networkidle', { timeout: 5_000 }).catch(() => undefined)
    const kilobytes = (await Promise.all(scripts)).reduce((sum, bytes) => sum + bytes, 0) / 1000
    const goal = address === '/' ? 60 : 100
    rows.push({
      what: `JavaScript of ${address}, gzip (${scripts.length} files)`,
      figure: `${kilobytes.toFixed(1)} kB`,
      goal: `≤ ${goal} kB`,
      met: kilobytes <= goal,
    })
    await visit.context.close()
  }
  return rows
}

/** The whole answer over loopback, one after the other, API calls of the page included. */
async function render(site: Site, addresses: string[], whose?: Visit): Promise<Row[]> {
  const cookies = (await whose?.context.cookies()) ?? []
  const headers = {
    cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; '),
    accept: 'text/html',
  }
  const rows: Row[] = []
  for (const address of addresses) {
    const took: number[] = []
    for (let round = 0; round < renders; round += 1) {
      const startedAt = performance.now()
      await (await fetch(`${site.url}${address}`, { headers })).text()
      if (round >= renders / 10) took.push(performance.now() - startedAt)
    }
    const { p50, p99 } = summary(took)
    rows.push({ what: `server renders ${address}`, figure: `p50 ${ms(p50)}, p99 ${ms(p99)}` })
  }
  return rows
}

/** In the browser. */
const lastPaint = `new Promise((resolve) => {
  new PerformanceObserver((list) => resolve(list.getEntries().at(-1)?.startTime ?? 0))
    .observe({ type: 'largest-contentful-paint', buffered: true })
})`

/** A first visit each time: nothing in the browser's cache, a network that costs nothing. */
async function paint(site: Site, viewport: 'desktop' | 'phone'): Promise<Row> {
  const took: number[] = []
  for (let round = 0; round < paints; round += 1) {
    const visit = await site.visit({ viewport })
    await visit.page.goto('/', { waitUntil: 'load' })
    took.push(await visit.page.evaluate<number>(lastPaint))
    await visit.context.close()
  }
  return {
    what: `largest contentful paint of / on a ${viewport} (${paints} visits)`,
    figure: `p50 ${ms(percentile(took, 0.5))}`,
  }
}
