import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TurnInput } from '@yourclaw/proto/host/v1'
import { startSandbox } from '@yourclaw/sandbox'
import { expect, onTestFinished, test } from 'vitest'
import { complete } from '../../relay/completions.ts'
import { sessionKey } from '../session-key.ts'
import { assistantImage, inside, lacksDocker, startDocker, startInternet } from './testing.ts'

/** One red point. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==',
  'base64',
)

test.skipIf(await lacksDocker(assistantImage))(
  'S2, S9: in its locked container a real OpenClaw searches the web, fetches a page, looks at a picture and drives the browser in turns',
  { timeout: 240_000 },
  async () => {
    const sandbox = await startSandbox({ port: 0 })
    onTestFinished(() => sandbox.stop())
    const site = await mkdtemp(join(tmpdir(), 'site-'))
    onTestFinished(() => rm(site, { recursive: true, force: true }))
    const page = '<!doctype html><title>The title of the page</title><h1>Hello</h1><p>What the page says.</p>'
    await writeFile(join(site, 'index.html'), page)
    const address = await startInternet(site)
    const { agent, newSpec } = await startDocker({
      modelUrl: `${sandbox.url}/anthropic`,
      searchUrl: `${sandbox.url}/brave`,
      image: assistantImage,
    })
    const { runtime } = await agent()
    const spec = newSpec()
    const { url, containerId } = await runtime.start(spec)
    const picture = `echo ${png.toString('base64')} | base64 -d >/workspace/red.png`
    expect(await inside(containerId, picture)).toBe('')

    const script = (body: object) =>
      fetch(`${sandbox.url}/sim/models/script`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const requests = async () =>
      (await (await fetch(`${sandbox.url}/sim/models/requests`)).json()) as { body: unknown }[]

    /** A turn in which the model calls one tool; the request that brings the result back to it. */
    const use = async (name: string, args: object) => {
      const before = (await requests()).length
      // OpenClaw adds words of its own to the result, which look like a new question: the call is asked for once.
      await script({ reply: 'Done.' })
      await script({ toolCalls: [{ name, arguments: args }], times: 1 })
      let said = ''
      await complete({
        target: { url, gatewayToken: spec.gatewayToken },
        sessionKey: sessionKey(spec.assistantId, 0),
        turn: TurnInput.create({ messages: [{ text: `use ${name}` }] }),
        signal: AbortSignal.timeout(90_000),
        onText: (piece) => {
          said += piece
        },
      })
      expect(said).toContain('Done.')
      return JSON.stringify((await requests())[before + 1]?.body)
    }
    expect(await use('web_fetch', { url: `http://${address}/` })).toContain('What the page says.')
    expect(await use('web_search', { query: 'tea' })).toContain('What there is on tea.')
    expect(await use('view_image', { path: '/workspace/red.png' })).toContain('"media_type":"image/')
    const browsed = await use('playwright__browser_navigate', { url: `http://${address}/` })
    expect(browsed).toContain('Page Title: The title of the page')
    // OpenClaw's own browser is not offered, nor what steers it.
    expect(browsed).not.toMatch(/"name":"(browser|gateway|nodes|plugins)"/)
    expect(browsed).toContain('"name":"playwright__browser_click"')
  },
)
