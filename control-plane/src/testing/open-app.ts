import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { createTestDatabase } from '@yourclaw/db/testing'
import { startSandbox } from '@yourclaw/sandbox'
import { pino } from 'pino'
import { createApp } from '../app.ts'
import { type Deps, openDeps } from '../deps.ts'
import { readEnv } from '../env.ts'
import { ensureUser } from '../services/account/ensure-user.ts'

/** The HTTP surface on a database and a sandbox of its own, without a port. */
export interface TestApp {
  app: ReturnType<typeof createApp>
  deps: Deps
  databaseUrl: string
  sandboxUrl: string
  /** Tells the sandbox what happens in the world: a POST below /sim. */
  sim(path: string, body: object): Promise<unknown>
  signUp(email?: string): Promise<{ id: string; email: string; bearer: string }>
  call(
    method: string,
    path: string,
    options?: { bearer?: string; body?: unknown; headers?: Record<string, string> },
  ): Promise<Response>
  browser(): Browser
  close(): Promise<void>
}

export async function openTestApp(
  settings: Record<string, string> = {},
  log = pino({ enabled: false }),
): Promise<TestApp> {
  const database = await createTestDatabase()
  const sandbox = await startSandbox({ port: 0 })
  const folder = await mkdtemp(path.join(tmpdir(), 'yourclaw-store-'))
  const env = readEnv({
    NODE_ENV: 'test',
    GOOGLE_ISSUER: `${sandbox.url}/google`,
    GOOGLE_API_BASE: `${sandbox.url}/google`,
    STRIPE_API_BASE: sandbox.url,
    RESEND_BASE_URL: `${sandbox.url}/resend`,
    BACKUP_STORE: pathToFileURL(folder).href,
    TELEGRAM_API_ROOT: `${sandbox.url}/telegram`,
    TWILIO_API_BASE: `${sandbox.url}/twilio`,
    TRANSCRIPTION_BASE_URL: `${sandbox.url}/openai/v1`,
    ...settings,
  })
  const deps = await openDeps(env, database.url, log)
  const app = createApp(deps)
  return {
    app,
    deps,
    databaseUrl: database.url,
    sandboxUrl: sandbox.url,
    async sim(path, body) {
      const headers = { 'content-type': 'application/json' }
      const init = { method: 'POST', headers, body: JSON.stringify(body) }
      return (await fetch(`${sandbox.url}/sim/${path}`, init)).json()
    },
    async signUp(email = `${randomUUID()}@example.test`) {
      const { id } = await deps.db.$transaction((tx) => ensureUser(tx, { email, name: '' }))
      return { id, email, bearer: await deps.tokens.issue(id, 600) }
    },
    async call(method, path, { bearer, body, headers = {} } = {}) {
      const all = new Headers(headers)
      if (bearer !== undefined) all.set('authorization', `Bearer ${bearer}`)
      if (body !== undefined) all.set('content-type', 'application/json')
      const init = { method, headers: all, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
      return app.request(`/api/v1${path}`, init)
    },
    browser: () => openBrowser(app, env.WEB_URL),
    async close() {
      await deps.close()
      await sandbox.stop()
      await database.close()
      await rm(folder, { recursive: true })
    },
  }
}

/** What a browser does: keeps cookies and says where a request comes from. It follows no redirect. */
export interface Browser {
  cookies: Map<string, string>
  /** `path` below /api/v1, or a whole address of the web. */
  open(path: string): Promise<Response>
  /** A request of a page of ours, unless `headers` say otherwise. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>
  /** From /auth/google to the answer that Google sends the browser back with. */
  consent(answer: Record<string, string>, returnTo?: string): Promise<URL>
  /** The whole way; resolves with where the browser ends. */
  signIn(email: string, returnTo?: string): Promise<string>
}

function openBrowser(app: TestApp['app'], webUrl: string): Browser {
  const cookies = new Map<string, string>()
  async function request(method: string, path: string, more: Record<string, string>, body?: unknown) {
    const headers = new Headers({ cookie: [...cookies].map((pair) => pair.join('=')).join('; '), ...more })
    if (body !== undefined) headers.set('content-type', 'application/json')
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const response = await app.request(new URL(path.replace(/^\//, ''), `${webUrl}/api/v1/`).href, init)
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (/max-age=0/i.test(cookie)) cookies.delete(name)
      else cookies.set(name, value)
    }
    return response
  }
  const browser: Browser = {
    cookies,
    open: (path) => request('GET', path, { accept: 'text/html' }),
    send: (method, path, body, headers = { origin: new URL(webUrl).origin }) =>
      request(method, path, headers, body),
    async consent(answer, returnTo) {
      const query = returnTo === undefined ? '' : `?${new URLSearchParams({ returnTo })}`
      const start = await request('GET', `/auth/google${query}`, {})
      const google = start.headers.get('location')
      if (google === null) throw new Error(`no redirect to Google: ${start.status} ${await start.text()}`)
      const body = new URLSearchParams(answer)
      const back = await fetch(google, { method: 'POST', body, redirect: 'manual' })
      return new URL(back.headers.get('location') ?? 'about:blank')
    },
    async signIn(email, returnTo) {
      const back = await browser.consent({ account: email }, returnTo)
      return (await browser.open(back.href)).headers.get('location') ?? ''
    },
  }
  return browser
}
