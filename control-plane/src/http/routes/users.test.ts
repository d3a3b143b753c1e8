import { afterAll, beforeAll, expect, test } from 'vitest'
import { bindByCode } from '../../services/channel/bind-by-code.ts'
import { addressHash } from '../../services/conversation/rows.ts'
import { openTestApp, type TestApp } from '../../testing/open-app.ts'

let world: TestApp
beforeAll(async () => {
  world = await openTestApp()
})
afterAll(() => world.close())

type Person = Awaited<ReturnType<TestApp['signUp']>>

async function problem(response: Response) {
  const body = (await response.json()) as { detail: string; code: string }
  expect(body).toEqual({ detail: expect.any(String), code: expect.any(String) })
  return [response.status, body.code]
}
const me = async ({ bearer }: Person) => (await world.call('GET', '/users/me', { bearer })).json()

/** Reads events as they come; `next` resolves with the newest one of that name once `check` likes it. */
async function follow({ bearer }: Person) {
  const response = await world.call('GET', '/users/me/events', { bearer })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  const newest = new Map<string, unknown>()
  let rest = ''
  return {
    async next<T>(name: string, check: (data: T) => boolean): Promise<T> {
      for (;;) {
        const data = newest.get(name) as T | undefined
        if (data !== undefined && check(data)) return data
        const { value, done } = (await reader?.read()) ?? { done: true }
        if (done) throw new Error('the stream ended')
        const events = (rest + value).split('\n\n')
        rest = events.pop() ?? ''
        for (const event of events) {
          const [, kind = '', json = ''] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? []
          if (kind !== '') newest.set(kind, JSON.parse(json))
        }
      }
    },
    async ended() {
      for (;;) if ((await reader?.read())?.done !== false) return
    },
    close: () => reader?.cancel(),
  }
}
interface Profile {
  channels: { channel: string; state: string; refusal?: string; address?: string }[]
}

test('a chat is named as people know it, and says when its person wrote STOP there', async () => {
  const anna = await world.signUp()
  const { db } = world.deps
  const to = { channel: 'WHATSAPP', address: 'whatsapp:+442079460018' } as const
  const boundAt = new Date('2026-03-09T12:00:00Z')
  const telegram = { channel: 'TELEGRAM', address: '99', telegramUsername: 'anna', boundAt } as const
  await db.userPhone.createMany({
    data: [
      { userId: anna.id, ...telegram },
      { userId: anna.id, ...to, phoneE164: '+442079460018' },
    ],
  })
  const chats = async () => ((await me(anna)) as Profile).channels
  expect(await chats()).toMatchObject([{ username: 'anna' }, { phone: '+44 20 7946 0018' }])
  expect((await chats())[1]).not.toHaveProperty('optedOutAt')
  const optedOutAt = new Date('2026-03-10T12:00:00Z')
  await db.channelContact.create({ data: { addressHash: addressHash(to), optedOutAt } })
  expect((await chats())[1]).toHaveProperty('optedOutAt', optedOutAt.toISOString())
})

test('a person changes what the assistant knows of them, and it is noted', async () => {
  const anna = await world.signUp()
  const change = (body: object) => world.call('PATCH', '/users/me', { bearer: anna.bearer, body })
  const whole = {
    name: 'Anna',
    timeZone: 'Europe/Berlin',
    proactive: false,
    proactiveChannel: 'TELEGRAM',
    quietHours: { from: '22:30', until: '07:05' },
    fallbackModel: 'openai/gpt-4o-mini',
  }
  expect(await (await change(whole)).json()).toMatchObject(whole)
  const cleared = { proactiveChannel: null, quietHours: null, fallbackModel: null }
  expect(await (await change(cleared)).json()).toMatchObject({ name: 'Anna', ...cleared })
  const noted = await world.deps.db.auditEvent.findMany({ where: { subject: `user:${anna.id}` } })
  expect(noted.map(({ action, data }) => [action, data])).toContainEqual([
    'account.changed',
    { changed: ['proactiveChannel', 'quietFromMinute', 'quietUntilMinute', 'fallbackModel'] },
  ])
})

test('O3: what is wrong in a profile is refused by a code and changes nothing', async () => {
  const anna = await world.signUp()
  const before = await me(anna)
  const wrong: [object, string][] = [
    [{ proactiveChannel: 'PIGEON' }, 'invalid_input'],
    [{ quietHours: { from: '24:00', until: '07:00' } }, 'invalid_input'],
    [{ quietHours: { from: '22:00' } }, 'invalid_input'],
    [{ quietHours: { from: '17:00', until: '17:00' } }, 'invalid_quiet_hours'],
    [{ fallbackModel: 'openai/gpt-1' }, 'unknown_model'],
    [{ name: 'New', timeZone: 'Mars/Olympus' }, 'invalid_input'],
  ]
  for (const [body, code] of wrong) {
    expect(await problem(await world.call('PATCH', '/users/me', { bearer: anna.bearer, body }))).toEqual([
      400,
      code,
    ])
  }
  const post = (path: string, body: object) => world.call('POST', path, { bearer: anna.bearer, body })
  expect(await problem(await post('/users/me/channel', { channel: 'WEB' }))).toEqual([400, 'invalid_input'])
  expect(await problem(await post('/users/me/phone', { phone: 'call me' }))).toEqual([400, 'invalid_phone'])
  expect(await problem(await post('/users/me/channel', { channel: 'WHATSAPP', contact: 'call me' }))).toEqual(
    [400, 'invalid_phone'],
  )
  expect(await me(anna)).toEqual(before)
})

test('I1: the page hears when a chat is connected, when it was refused, and when it is gone', async () => {
  const [anna, ben] = [await world.signUp(), await world.signUp()]
  const begin = async ({ bearer }: Person) => {
    const body = { channel: 'TELEGRAM' }
    const begun = await world.call('POST', '/users/me/channel', { bearer, body })
    return (await begun.json()) as { bindUrl: string; code: string; expiresAt: string }
  }
  const send = (code: string, address: string) =>
    bindByCode({ ctx: world.deps.ctx, input: { channel: 'TELEGRAM', code, address } })
  const [annasPage, bensPage] = [await follow(anna), await follow(ben)]
  await annasPage.next<Profile>('profile', ({ channels }) => channels.length === 0)

  const first = await begin(anna)
  expect(first.bindUrl).toBe(`https://t.me/yourclaw_dev_bot?start=${first.code}`)
  await annasPage.next<Profile>('profile', ({ channels }) => channels[0]?.state === 'PENDING')
  await send(first.code, '4242')
  await annasPage.next<Profile>('profile', ({ channels }) => channels[0]?.state === 'BOUND')

  // Ben's code from Anna's chat: refused, Ben told that it is taken and nothing of Anna, and Anna's is as it was.
  const { code } = await begin(ben)
  expect(await send(code, '4242')).toEqual({ outcome: 'address_taken' })
  const refused = await bensPage.next<Profile>(
    'profile',
    ({ channels }) => channels[0]?.refusal !== undefined,
  )
  expect(refused.channels).toEqual([{ channel: 'TELEGRAM', state: 'PENDING', refusal: 'address_taken' }])
  expect(JSON.stringify(refused)).not.toContain('4242')
  expect(await me(anna)).toMatchObject({ channels: [{ state: 'BOUND', address: '4242' }] })
  // The code is good for a chat of his own.
  expect(await send(code, '4343')).toMatchObject({ outcome: 'bound', userId: ben.id })

  // Another chat takes the place of the first; then it is given up, and free for somebody else.
  await send((await begin(anna)).code, '4545')
  await annasPage.next<Profile>('profile', ({ channels }) => channels[0]?.address === '4545')
  await world.call('DELETE', '/users/me/channel/TELEGRAM', { bearer: anna.bearer })
  await annasPage.next<Profile>('profile', ({ channels }) => channels.length === 0)
  expect(await send((await begin(ben)).code, '4545')).toMatchObject({ outcome: 'bound', userId: ben.id })
  annasPage.close()
  bensPage.close()
})

test('D1: only the typed address deletes an account, and then nobody is let in any more', async () => {
  const anna = await world.signUp()
  const remove = (email: string) =>
    world.call('DELETE', '/users/me', { bearer: anna.bearer, body: { email } })
  expect(await problem(await remove('somebody@else.test'))).toEqual([400, 'email_mismatch'])
  expect(await me(anna)).toMatchObject({ id: anna.id })
  const page = await follow(anna)
  await page.next('profile', () => true)
  const other = await world.deps.tokens.issue(anna.id, 60)
  expect((await remove(` ${anna.email.toUpperCase()} `)).status).toBe(202)
  await page.ended()
  expect(await problem(await world.call('GET', '/users/me', { bearer: anna.bearer }))).toEqual([
    401,
    'invalid_token',
  ])
  expect(await problem(await world.call('GET', '/users/me', { bearer: other }))).toEqual([
    403,
    'account_being_deleted',
  ])
  const account = { email: anna.email, name: 'Anna' }
  await world.sim('google/users', account)
  const browser = world.browser()
  expect(await browser.signIn(anna.email)).toContain('error=account_being_deleted')
})
