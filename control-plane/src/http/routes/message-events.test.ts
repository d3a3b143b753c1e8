import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../app.ts'
import { type Deps, openDeps } from '../../deps.ts'
import type { TurnListener } from '../../fleet/audience.ts'
import { sendNotice } from '../../services/conversation/send-notice.ts'
import { openTestApp, type TestApp } from '../../testing/open-app.ts'
import { type ReceivedEvent, readEvents } from '../../testing/read-events.ts'

/** Two replicas on one database. */
let world: TestApp
let other: { deps: Deps; app: ReturnType<typeof createApp> }
beforeAll(async () => {
  world = await openTestApp({ RATE_LIMIT_PER_MINUTE: '1000' })
  const deps = await openDeps(world.deps.env, world.databaseUrl, pino({ enabled: false }))
  other = { deps, app: createApp(deps) }
})
afterAll(async () => {
  await other.deps.close()
  await world.close()
})

async function signUp() {
  const person = await world.signUp()
  const { db } = world.deps
  await db.subscription.create({ data: { userId: person.id, status: 'ACTIVE' } })
  await db.assistant.update({
    where: { userId: person.id },
    data: { status: 'PROVISIONING', desired: 'PRESENT' },
  })
  return person
}
type Person = Awaited<ReturnType<typeof signUp>>

async function say(person: Person, text: string, key: string = randomUUID()) {
  const headers = { 'idempotency-key': key }
  const response = await world.call('POST', '/messages', { bearer: person.bearer, body: { text }, headers })
  expect(response.status).toBe(202)
}
const notice = (person: Person, text: string) =>
  sendNotice({ ctx: world.deps.ctx, input: { userId: person.id, code: 'test', text } })

/** On the other replica unless `app` says otherwise; past the event that every stream begins with. */
async function follow({ id, bearer }: Person, query = '', headers = {}, app = other.app) {
  const init = { headers: { authorization: `Bearer ${bearer}`, ...headers } }
  const events = readEvents(await app.request(`/api/v1/messages/events${query}`, init))
  const first = await events.next()
  // Whose it is: a page that was somebody else's takes none of it.
  expect(first).toMatchObject({ event: 'begin', data: { userId: id } })
  return { ...events, id: first?.id ?? '' }
}

/** A turn that the first replica carries. */
function turn({ id: userId }: Person, turnId: string = randomUUID()) {
  const to = { channel: 'WEB', address: userId, replyTo: null } as const
  const listener = world.deps.live.begin({ turnId, userId, ...to }) as Required<TurnListener>
  return { turnId, ...listener }
}
/** What somebody has who put the pieces where they belong. */
function written(events: ReceivedEvent[], before = ''): string {
  return events
    .filter(({ event }) => event === 'answer')
    .reduce((text, { data }) => text.slice(0, Number(data.offset)) + data.text, before)
}
const isMessage =
  (body: string) =>
  ({ event, data }: ReceivedEvent) =>
    event === 'message' && data.body === body
const isWritten = (text: string, before = '') => {
  let so = before
  return (event: ReceivedEvent) => {
    so = written([event], so)
    return so === text
  }
}

test('M11: an answer is seen on another replica while it is written, from the middle of it on, too', async () => {
  const person = await signUp()
  const { turnId, text, end } = turn(person)
  await text('The first words')
  const [late, here] = await Promise.all([follow(person), follow(person, '', {}, world.app)])
  for (const { until } of [late, here]) await until(isWritten('The first words'))
  await text('The first words, and 🐙 more')
  for (const { until } of [late, here])
    expect((await until(isWritten('The first words, and 🐙 more', 'The first words'))).length).toBe(1)
  // A link that breaks and comes back tells all of it again; nobody sees that.
  end('cut')
  const again = turn(person, turnId)
  await again.text('The first words')
  await again.text('The first words, and 🐙 more.')
  again.end('answered')
  for (const { next } of [late, here])
    expect((await next())?.data).toEqual({ turnId, offset: 'The first words, and 🐙 more'.length, text: '.' })
  for (const { leave } of [late, here]) await leave()
})

test('M11: an answer that begins anew replaces what was shown, and a long one comes in one piece', async () => {
  const person = await signUp()
  const events = await follow(person)
  const { turnId, text, end } = turn(person)
  await text('Wrong track')
  await events.until(isWritten('Wrong track'))
  end('cut')
  const { text: retell } = turn(person, turnId)
  const long = '\u0001"é🦀'.repeat(4_000)
  await retell(long)
  const pieces = await events.until(isWritten(long))
  expect(pieces[0]?.data.offset).toBe(0)
  await events.leave()
})

test('M1: whoever comes back with an event’s id, to whatever replica, misses no token and no message', async () => {
  const person = await signUp()
  const first = await follow(person)
  await say(person, 'one')
  await first.until(isMessage('one'))
  const { text } = turn(person)
  await text('half an ')
  const [part] = await first.until(isWritten('half an '))
  await first.leave()
  await text('half an answer')
  await say(person, 'two')
  await notice(person, 'a notice')
  const id = part?.id ?? ''
  const back = await follow(person, '', { 'last-event-id': id }, world.app)
  const missed = await back.until(isMessage('a notice'))
  expect(written(missed, 'half an ')).toBe('half an answer')
  const news = missed.filter(({ event }) => event === 'message')
  expect(news.map(({ data }) => data.body)).toEqual(['two', 'a notice'])
  // The same as a parameter, and what was there before is told as it is now.
  const again = await follow(person, `?after=${id}`)
  const told = await again.until(isMessage('a notice'))
  expect(told.find(({ event }) => event === 'change')?.data).toMatchObject({ body: 'one', seq: 1 })
  await Promise.all([back.leave(), again.leave()])
})

test('M14: a message that is refused says why and until when, and what changes is told', async () => {
  const person = await signUp()
  const events = await follow(person)
  const key = randomUUID()
  await say(person, 'hello', key)
  await events.until(({ data }) => data.key === key && data.state === 'RECEIVED')
  await world.deps.db.message.updateMany({ where: { userId: person.id }, data: { state: 'ANSWERED' } })
  await notice(person, 'look again')
  const told = await events.until(({ event }) => event === 'change')
  expect(told.at(-1)?.data).toMatchObject({ body: 'hello', state: 'ANSWERED' })
  const full = { inboundCount: 100 }
  await world.deps.db.usageDaily.updateMany({ where: { userId: person.id }, data: full })
  for (const sent of ['again', 'and again']) {
    const refused = await world.call('POST', '/messages', { bearer: person.bearer, body: { text: sent } })
    expect([refused.status, await refused.json()]).toEqual([
      429,
      {
        code: 'day_limit',
        detail: expect.stringMatching(/You can write again in \d+ (hours|minutes|seconds|minute|second)\./),
      },
    ])
    await events.until(({ data }) => data.body === sent && data.state === 'REFUSED')
  }
  await events.leave()
})

test('F8: a reader that does not read costs one answer, and gets all of it once it does', async () => {
  const person = await signUp()
  const events = await follow(person, '', {}, world.app)
  const { text } = turn(person)
  let all = ''
  for (let count = 0; count < 5_000; count += 1) {
    all += `word ${count} `
    await text(all)
    if (count % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const pieces = await events.until(isWritten(all))
  expect(pieces.length).toBeLessThan(20)
  await events.leave()
})

test('I9: nobody hears of anybody else, whatever position they name', async () => {
  const [ada, eve] = [await signUp(), await signUp()]
  const hers = await follow(ada)
  await say(ada, 'a secret')
  const { text } = turn(ada)
  await text('another secret')
  const seen = await hers.until(isWritten('another secret'))
  const theirs = await follow(eve, `?after=${seen.at(-1)?.id}`)
  await text('another secret, longer')
  await hers.until(({ data }) => data.text === ', longer')
  // Two, since hers is at the second already.
  for (const body of ['mine', 'mine too']) await say(eve, body)
  const all = await theirs.until(isMessage('mine too'))
  expect(JSON.stringify(all)).not.toContain('secret')
  await Promise.all([hers.leave(), theirs.leave()])
})

test('I7: signing out ends what that session follows, on every replica, and no other', async () => {
  const person = await signUp()
  const session = { ...person, bearer: await world.deps.tokens.issue(person.id, 600) }
  const [gone, kept] = [await follow(session), await follow(person)]
  expect((await world.call('POST', '/auth/logout', { bearer: session.bearer })).status).toBe(204)
  expect(await gone.next()).toBeUndefined()
  await notice(person, 'still here')
  await kept.until(isMessage('still here'))
  await kept.leave()
})

test('I7: who reads nothing is sent nothing more either once they signed out', async () => {
  const person = await signUp()
  const session = { ...person, bearer: await world.deps.tokens.issue(person.id, 600) }
  const last = 'notice 59'
  for (let count = 0; count < 60; count += 1) await notice(person, `notice ${count}`)
  const [stalled, reading] = [await follow(session, '?after=0'), await follow(session, '?after=0')]
  await reading.until(isMessage(last))
  expect((await world.call('POST', '/auth/logout', { bearer: session.bearer })).status).toBe(204)
  expect(await reading.next()).toBeUndefined()
  const seen: unknown[] = []
  for (let next = await stalled.next(); next; next = await stalled.next()) seen.push(next.data.body)
  expect(seen.length).toBeLessThan(10)
  expect(seen).not.toContain(last)
})

test('F8: one person’s streams are counted', async () => {
  const person = await signUp()
  const streams = []
  for (let count = 0; count < 20; count += 1) streams.push(await follow(person))
  const init = { headers: { authorization: `Bearer ${person.bearer}` } }
  const refused = await other.app.request('/api/v1/messages/events', init)
  expect([refused.status, await refused.json()]).toMatchObject([429, { code: 'too_many_streams' }])
  for (const { leave } of streams) await leave()
  await expect
    .poll(async () => {
      const response = await other.app.request('/api/v1/messages/events', init)
      await response.body?.cancel()
      return response.status
    })
    .toBe(200)
})

test('I9: a search finds a person’s own words in any case, page by page, and takes wildcards for what they are', async () => {
  const [ada, eve] = [await signUp(), await signUp()]
  const search = async ({ bearer }: Person, query: Record<string, string>) => {
    const response = await world.call('GET', `/messages?${new URLSearchParams(query)}`, { bearer })
    const page = (await response.json()) as { messages: { body: string }[]; nextBefore?: string }
    return { bodies: page.messages.map(({ body }) => body), nextBefore: page.nextBefore }
  }
  for (const body of ['Äpfel und Birnen', 'äpfel', 'nothing', '100 % sure', 'APFEL']) await say(ada, body)
  await say(eve, 'äpfel, but not yours')
  const first = await search(ada, { q: 'ÄPFEL', limit: '1' })
  expect(first.bodies).toEqual(['äpfel'])
  const second = await search(ada, { q: 'ÄPFEL', limit: '1', before: first.nextBefore ?? '' })
  expect(second).toEqual({ bodies: ['Äpfel und Birnen'], nextBefore: undefined })
  expect((await search(ada, { q: '%' })).bodies).toEqual(['100 % sure'])
  expect((await search(ada, { q: '_' })).bodies).toEqual([])
})

test('F8: a person searches sixty times a minute, and reads on when that is over', async () => {
  const [ada, ben] = [await signUp(), await signUp()]
  const list = ({ bearer }: Person, query = '') => world.call('GET', `/messages${query}`, { bearer })
  const answers = await Promise.all(Array.from({ length: 62 }, () => list(ada, '?q=apple')))
  const refused = answers.filter(({ status }) => status !== 200)
  expect(refused).toHaveLength(2)
  const [first] = refused
  expect([first?.status, await first?.json()]).toEqual([
    429,
    { code: 'too_many_searches', detail: 'That was too much searching at once. Try again in a moment.' },
  ])
  expect(Number(first?.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await list(ada)).status).toBe(200)
  expect((await list(ben, '?q=apple')).status).toBe(200)
})

test('a search looks through what is read, not through the marks, and shows it so', async () => {
  const person = await signUp()
  const { ctx, db } = world.deps
  const answers = [
    'It costs **nine** fif*ty* a month, see [our prices](https://example.com/secret-path) &amp; terms.',
    'Use `snake_case` or `2 ** 8`:\n\n```js\nlet powers = 2\n```\n\n- first\n- second \\*',
  ]
  for (const text of answers) await notice(person, text)
  await say(person, 'I wrote **stars** myself')
  const find = async (q: string, before = '') => {
    const query = new URLSearchParams({ q, ...(before && { before }) })
    const response = await world.call('GET', `/messages?${query}`, { bearer: person.bearer })
    const page = (await response.json()) as {
      messages: { found: object; seq: number }[]
      nextBefore?: string
    }
    return page
  }
  const found = async (q: string) => (await find(q)).messages.map(({ seq }) => seq)
  expect(await found('NINE fifty a  month')).toEqual([1])
  expect(await found('see our prices & terms')).toEqual([1])
  expect(await found('**')).toEqual([3, 2])
  for (const mark of ['**nine', 'secret-path', '```', 'https', '&amp;', ']('])
    expect(await found(mark)).toEqual([])
  expect(await found('snake_case')).toEqual([2])
  expect(await found('let powers')).toEqual([2])
  expect(await found('second *')).toEqual([2])
  expect(await found('**stars**')).toEqual([3])
  const { messages } = await find('FIFTY')
  expect(messages[0]?.found).toEqual({
    before: 'It costs nine ',
    hit: 'fifty',
    after: ' a month, see our prices & terms.',
  })

  // As many as may be read at once hold the words, and none of them in that order: the next page goes on.
  await db.message.createMany({
    data: Array.from({ length: 150 }, (_, index) => ({
      userId: person.id,
      direction: 'OUTBOUND' as const,
      channel: 'WEB' as const,
      address: person.id,
      body: 'fifty, **nine**',
      state: 'DELIVERED' as const,
      seq: BigInt(10 + index),
      createdAt: new Date(ctx.clock.now()),
    })),
  })
  const seen: number[] = []
  let page = await find('nine fifty')
  expect(page.messages).toEqual([])
  while (page.nextBefore) {
    page = await find('nine fifty', page.nextBefore)
    seen.push(...page.messages.map(({ seq }) => seq))
  }
  expect(seen).toEqual([1])
})
