import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer, json } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { noFiles } from '../testing/no-files.ts'
import { createTelegram } from './telegram.ts'

/** A Bot API that answers with what it is given, over a real socket. */
async function withBotApi(answers: object[], work: (apiRoot: string, asked: unknown[]) => Promise<void>) {
  const asked: unknown[] = []
  const server = createServer(async (request, response) => {
    asked.push(await json(request))
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answers.shift()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const accepted = { ok: true, result: { message_id: 7, date: 0, chat: { id: 1, type: 'private' } } }
const payload = { text: 'plain', html: '<b>plain</b>' }

test('M7: what Telegram cannot parse is sent as clean plain text', async () => {
  const description = "Bad Request: can't parse entities: unexpected end tag"
  await withBotApi([{ ok: false, error_code: 400, description }, accepted], async (apiRoot, asked) => {
    const telegram = createTelegram({ token: 'T', apiRoot, files: noFiles })
    expect(await telegram.send('1', payload)).toEqual({ providerMessageId: '7' })
    expect(asked[0]).toMatchObject({ text: '<b>plain</b>', parse_mode: 'HTML' })
    expect(asked[1]).toMatchObject({ text: 'plain' })
    expect(asked[1]).not.toHaveProperty('parse_mode')
  })
})

test('M6: 429 carries its wait, 403 is for good, a server error is not', async () => {
  const refuse = (error_code: number, parameters = {}) => ({
    ok: false,
    error_code,
    description: 'no',
    parameters,
  })
  await withBotApi([refuse(429, { retry_after: 9 }), refuse(403), refuse(502)], async (apiRoot) => {
    const telegram = createTelegram({ token: 'T', apiRoot, files: noFiles })
    const failure = () => telegram.send('1', { text: 'x' }).catch((error: unknown) => error)
    expect(await failure()).toMatchObject({ code: 'telegram_429', retryAfterMs: 9000, kind: 'retry' })
    expect(await failure()).toMatchObject({ code: 'telegram_403', kind: 'permanent' })
    expect(await failure()).toMatchObject({ code: 'telegram_502', kind: 'retry' })
  })
})

test('M12: a picture that Telegram does not take as a photo is sent again as a document, read anew', async () => {
  const methods: string[] = []
  const bodies: number[] = []
  const server = createServer(async (request, response) => {
    methods.push(request.url?.split('/').at(-1) ?? '')
    bodies.push((await buffer(request)).length)
    const description = 'Bad Request: PHOTO_INVALID_DIMENSIONS'
    const answer = methods.length === 1 ? { ok: false, error_code: 400, description } : accepted
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const apiRoot = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const files = { ...noFiles, open: async () => Readable.from([Buffer.alloc(1_000)]) }
  const telegram = createTelegram({ token: 'T', apiRoot, files })
  const file = { id: 'a', kind: 'IMAGE', name: 'wide.png', mimeType: 'image/png', sizeBytes: 1_000 } as const
  try {
    expect(await telegram.send('1', { text: 'wide', file })).toEqual({ providerMessageId: '7' })
  } finally {
    server.closeAllConnections()
    server.close()
  }
  expect(methods).toEqual(['sendPhoto', 'sendDocument'])
  expect(bodies.every((length) => length > 1_000)).toBe(true)
})
