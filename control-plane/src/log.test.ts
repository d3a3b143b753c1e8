import { Api, type HttpError } from 'grammy'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openLog } from './log.ts'
import { fileUrl } from './services/attachment/file-url.ts'
import { startBinding } from './services/channel/start-binding.ts'
import { openTestApp, type TestApp } from './testing/open-app.ts'

let lines: string[] = []
const log = openLog('trace', { write: (line) => void lines.push(line) })
let testApp: TestApp
beforeAll(async () => {
  testApp = await openTestApp({ LOG_LEVEL: 'trace' }, log)
})
afterAll(() => testApp.close())
beforeEach(() => {
  lines = []
})

test('S8: no line of a request holds a signed link, a bearer or a start code, whatever becomes of it', async () => {
  const { deps, signUp, call } = testApp
  const { id: userId, bearer } = await signUp()
  const fileId = crypto.randomUUID()
  const token = await deps.tokens.signLink(fileId, new Date(Date.now() + 60_000))
  const { code } = await startBinding({ ctx: deps.ctx, input: { userId, channel: 'TELEGRAM' } })
  const start = (text: string) => ({
    update_id: 1,
    message: {
      message_id: 1,
      date: 1,
      text,
      from: { id: 5, first_name: 'A' },
      chat: { id: 5, type: 'private' },
    },
  })
  const say = (body: object) =>
    call('POST', '/webhooks/telegram', {
      body,
      headers: {
        'x-telegram-bot-api-secret-token': deps.env.TELEGRAM_WEBHOOK_SECRET,
        'content-length': String(JSON.stringify(body).length),
      },
    })
  const url = fileUrl('', fileId, token).slice('/api/v1'.length)
  const asked = [
    await call('GET', '/users/me', { bearer }),
    await call('GET', '/users/me', { bearer: `${bearer}x` }),
    await call('GET', url),
    await call('GET', `${url}x`),
    await call('GET', `/exports/${fileId}?token=${token}`),
    await say(start(`/start ${code}`)),
    await say({ ...start(`/start ${code}`), update_id: 2 }),
    await call('GET', `/auth/google/callback?state=s3cret-state&code=s3cret-code`),
  ]
  expect(asked.map(({ status }) => status)).toEqual([200, 401, 404, 401, 404, 200, 200, 400])
  expect(lines.length).toBeGreaterThanOrEqual(asked.length)
  const text = lines.join('')
  for (const secret of [token, bearer, code, 's3cret']) expect(text).not.toContain(secret)
})

test('S8: an error says what and where it is, and nothing of what it was about', async () => {
  const { databaseUrl, signUp } = testApp
  const { id: userId } = await signUp()
  const api = new Api('123456:AAE-the-token-of-a-bot', { apiRoot: 'http://127.0.0.1:1', sensitiveLogs: true })
  const unreachable = (await api.getMe().catch((error: unknown) => error)) as HttpError
  expect(JSON.stringify([unreachable.message, unreachable.error])).toContain('the-token-of-a-bot')
  log.error({ err: unreachable }, 'one')
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const twice = client.query("INSERT INTO users (id, email) VALUES ($1, 'private@example.com')", [userId])
  const duplicate = await twice.catch((error: unknown) => error)
  await client.end()
  expect(JSON.stringify(duplicate)).toContain(userId)
  log.error({ err: duplicate }, 'two')
  const [one, two] = lines.map((line) => JSON.parse(line))
  expect(one.err).toMatchObject({ type: 'HttpError', stack: expect.stringContaining('log.test.ts') })
  expect(two.err).toEqual({
    type: 'DatabaseError',
    code: '23505',
    message: expect.stringContaining('duplicate key'),
    stack: expect.any(String),
  })
  for (const secret of ['the-token-of-a-bot', userId, 'private@'])
    expect(lines.join('')).not.toContain(secret)
})
