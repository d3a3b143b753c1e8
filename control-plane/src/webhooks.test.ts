import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTelegram } from './channels/telegram.ts'
import { createWhatsapp } from './channels/whatsapp.ts'
import { commands } from './services/command/commands.ts'
import { noContents } from './testing/no-contents.ts'
import { noFiles } from './testing/no-files.ts'
import { registerWebhooks, repairWebhooks } from './webhooks.ts'

/** Both providers: where they send to, and how often somebody set that. */
const state = { telegram: '', twilio: '', sets: 0 }
let listed: { command: string; description: string }[] = []
const server = createServer(async (request, response) => {
  const url = request.url ?? ''
  const body = await text(request)
  response.setHeader('content-type', 'application/json')
  const sender = () => ({
    sid: `XE${'0'.repeat(32)}`,
    sender_id: 'whatsapp:+15550100',
    webhook: { callback_url: state.twilio },
  })
  if (url.endsWith('/setWebhook')) {
    state.sets += 1
    state.telegram = JSON.parse(body).url
    response.end(JSON.stringify({ ok: true, result: true }))
  } else if (url.endsWith('/setMyCommands')) {
    listed = JSON.parse(body).commands
    response.end(JSON.stringify({ ok: true, result: true }))
  } else if (url.endsWith('/getWebhookInfo')) {
    response.end(JSON.stringify({ ok: true, result: { url: state.telegram } }))
  } else if (request.method === 'POST') {
    state.sets += 1
    state.twilio = JSON.parse(body).webhook.callback_url
    response.writeHead(202).end(JSON.stringify(sender()))
  } else {
    response.end(JSON.stringify({ senders: [sender()], meta: { key: 'senders' } }))
  }
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => server.close())

test('a webhook is set at start, and afterwards only when it is lost', async () => {
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const telegram = createTelegram({ token: 'T', apiRoot: root, files: noFiles })
  const whatsapp = createWhatsapp({
    files: noFiles,
    contents: noContents,
    log: pino({ enabled: false }),
    accountSid: `AC${'0'.repeat(32)}`,
    authToken: 'secret-token',
    number: '+15550100',
    apiBase: root,
    statusUrl: 'https://api.test/status',
  })
  const env = { API_URL: 'https://api.test', TELEGRAM_WEBHOOK_SECRET: 'secret-of-the-webhook' }
  const senders = { TELEGRAM: telegram, WHATSAPP: whatsapp }
  const deps = { telegram, whatsapp, senders, env, log: pino({ enabled: false }) }
  await registerWebhooks(deps)
  await registerWebhooks(deps)
  expect(listed.map(({ command }) => command)).toEqual(commands.map(({ name }) => name))
  // What Telegram takes: https://core.telegram.org/bots/api#botcommand
  for (const { command, description } of listed) {
    expect(command).toMatch(/^[a-z0-9_]{1,32}$/)
    expect(description).toMatch(/^.{1,256}$/)
  }
  expect(state).toEqual({
    telegram: 'https://api.test/api/v1/webhooks/telegram',
    twilio: 'https://api.test/api/v1/webhooks/twilio/whatsapp#rc=5&rp=all',
    sets: 4,
  })
  await repairWebhooks(deps)
  expect(state.sets).toBe(4)
  state.telegram = ''
  state.twilio = 'https://other.test/'
  await repairWebhooks(deps)
  expect(state).toMatchObject({ telegram: 'https://api.test/api/v1/webhooks/telegram', sets: 6 })
  expect(state.twilio).toContain('https://api.test/')
  await repairWebhooks(deps)
  expect(state.sets).toBe(6)
})
