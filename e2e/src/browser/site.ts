import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { freePort } from '@yourclaw/control-plane/testing'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { type System, startTestSystem } from '../system.ts'
import { chromiumPath, webFolder } from './build.ts'

/** Said in the name of the skipped tests; CI installs it. */
export const hasChromium = existsSync(chromiumPath)
export const viewports = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
} as const
export type Viewport = keyof typeof viewports

/** Who reads what people write on the page of tools. */
export const operator = 'operator@example.test'

/** The built web over a whole system, and a browser to look at it. */
export interface Site {
  system: System
  url: string
  browser: Browser
  /** Somebody new: cookies of their own, and a list of what the page complained about. */
  visit(options?: VisitOptions): Promise<Visit>
  stop(): Promise<void>
}
interface VisitOptions {
  viewport?: Viewport
  colorScheme?: 'light' | 'dark'
  javaScriptEnabled?: boolean
  timezoneId?: string
}
export interface Visit {
  context: BrowserContext
  page: Page
  /** Errors in the console, refusals of the content security policy among them, and uncaught ones. */
  complaints: string[]
}

export async function startSite(
  webSettings: Record<string, string> = {},
  settings: Record<string, string> = {},
): Promise<Site> {
  const port = await freePort()
  const url = `http://localhost:${port}`
  const system = await startTestSystem({ WEB_URL: url, OPERATOR_EMAILS: operator, ...settings })
  await system.startHost()
  const web = await startWeb({ port: String(port), url, apiUrl: system.apiUrl, settings: webSettings })
  const browser = await openBrowser()
  return {
    system,
    url,
    browser,
    async visit({ viewport = 'desktop', ...options } = {}) {
      const context = await browser.newContext({
        viewport: viewports[viewport],
        baseURL: url,
        reducedMotion: 'reduce',
        ...options,
      })
      context.setDefaultTimeout(30_000)
      const page = await context.newPage()
      const complaints: string[] = []
      page.on('console', (message) => {
        // Somebody else's network came or went; what it broke, the test sees by itself.
        if (message.text().includes('ERR_NETWORK_CHANGED')) return
        if (message.type() === 'error') complaints.push(`${page.url()}: ${message.text()}`)
      })
      page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`))
      return { context, page, complaints }
    },
    async stop() {
      await browser.close()
      await web.stop()
      await system.stop()
    },
  }
}

export const openBrowser = () =>
  chromium.launch({
    executablePath: chromiumPath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  })

/** The built web as it is started in production, once it answers. */
export async function startWeb(input: {
  port: string
  url: string
  apiUrl: string
  settings?: Record<string, string>
}) {
  const child = spawn(process.execPath, ['start.ts'], {
    cwd: webFolder,
    env: {
      PATH: process.env.PATH,
      PORT: input.port,
      ORIGIN: input.url,
      API_URL: input.apiUrl,
      ...input.settings,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await Promise.race([
    once(child.stdout, 'data'),
    exited.then(() => Promise.reject(new Error('The web did not start.'))),
  ])
  return {
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
