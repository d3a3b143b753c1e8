import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTransaction } from '../../context.ts'
import { optedOutAt, updateContact } from '../channel/contact.ts'
import { adoptTurns } from '../conversation/adopt-turns.ts'
import { claimTurns } from '../conversation/claim-turns.ts'
import { failTurn } from '../conversation/fail-turn.ts'
import { finishTurn } from '../conversation/finish-turn.ts'
import { createFixture, createPerson, type Fixture } from '../conversation/fixtures.ts'
import { keepPartials } from '../conversation/keep-partials.ts'
import { listMessages } from '../conversation/list-messages.ts'
import { readTurnInput } from '../conversation/read-turn-input.ts'
import { sweep } from '../conversation/sweep.ts'
import { takeIncoming } from '../conversation/take-incoming.ts'
import { pressButton } from '../question/press-button.ts'
import { commands } from './commands.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

async function somebody() {
  const { ctx, db } = fixture
  const person = await createPerson(db)
  const { userId, hostId, address } = person
  const to = { channel: 'TELEGRAM', address } as const
  const write = (body: string, providerMessageId: string = crypto.randomUUID()) =>
    takeIncoming({ ctx, input: { to, providerMessageId, body, files: [] } })
  const said = async () => {
    const rows = await db.message.findMany({ where: { userId }, orderBy: { seq: 'asc' } })
    return rows.map(({ kind, direction, body }) => `${kind} ${direction === 'INBOUND' ? '>' : '<'} ${body}`)
  }
  const session = { hostId, sessionEpoch: 1n }
  const claim = async () => (await claimTurns({ ctx, input: { ...session, limit: 5 } })).turns[0]
  const finish = (turnId: string, text: string) =>
    finishTurn({ ctx, input: { turnId, sessionEpoch: 1n, text } })
  const cancel = (turnId: string, partialText: string) =>
    failTurn({
      ctx,
      input: { turnId, sessionEpoch: 1n, code: 'turn_canceled', retryable: false, partialText },
    })
  const historyOf = async (turnId: string) =>
    (await readTurnInput({ ctx, input: { turnId, sessionEpoch: 1n, withHistory: true } })).history.map(
      ({ text }) => text,
    )
  return { ...person, to, write, said, claim, finish, cancel, historyOf }
}

test('M8: a command is answered once, and is neither counted nor shown to the model', async () => {
  const { userId, write, said, claim, historyOf } = await somebody()
  await write('/help', 'once')
  await write('/help', 'once')
  const listed = commands.map(({ name }) => `- /${name}: `)
  const [asked, help, ...more] = await said()
  expect([asked, more]).toEqual(['NOTICE > /help', []])
  for (const line of listed) expect(help).toContain(line)
  for (const name of ['/status', '/usage', '/start', '/STATUS@test_bot now', ' /model haiku'])
    await write(name)
  expect((await said()).every((line) => line.startsWith('NOTICE'))).toBe(true)
  expect(await said()).toHaveLength(12)
  expect(await fixture.db.usageDaily.count({ where: { userId } })).toBe(0)
  expect(await claim()).toBeUndefined()
  await write('hello')
  const turn = await claim()
  expect(turn?.input.messages).toMatchObject([{ text: 'hello' }])
  expect(await historyOf(turn?.turnId ?? '')).toEqual([])
})

test('what is no command of ours goes to the assistant; a stranger’s command is greeted', async () => {
  const { write, claim } = await somebody()
  for (const text of ['/frobnicate now', '/help@other_bot', '/helpful', 'what does /help do?', '/'])
    await write(text)
  expect((await claim())?.input.messages.map(({ text }) => text)).toEqual([
    '/frobnicate now',
    '/help@other_bot',
    '/helpful',
    'what does /help do?',
    '/',
  ])
  const to = { channel: 'TELEGRAM', address: '31337' } as const
  const input = { to, providerMessageId: 'stranger', body: '/status', files: [] }
  await takeIncoming({ ctx: fixture.ctx, input })
  expect(fixture.told.filter(({ to: { address } }) => address === '31337')).toMatchObject([
    { text: expect.stringContaining("don't know this chat") },
  ])
})

test('/status and /usage tell what is so', async () => {
  const { userId, write, said } = await somebody()
  const { db, clock } = fixture
  await db.assistant.update({ where: { userId }, data: { model: 'openai/gpt-4o' } })
  await db.creditEntry.create({
    data: { userId, amountMicros: 4_209_999n, reason: 'grant', reference: userId },
  })
  await db.usageEvent.create({
    data: {
      userId,
      reportKey: userId,
      provider: 'OPENAI',
      model: 'gpt-4o',
      ownKey: false,
      calls: 1,
      inputTokens: 1_000n,
      outputTokens: 234n,
      costMicros: 12_345n,
      calledAt: new Date(clock.at),
    },
  })
  await write('hello')
  await write('/status')
  const status = (await said()).at(-1)
  expect(status).toContain(
    '- Assistant: ready, GPT-4o\n- Plan: active\n- Today: 1 of 100 messages; counted anew in 12 hours',
  )
  expect(status).toContain('- Credit: $4.20')
  await write('/usage')
  expect((await said()).at(-1)).toMatch(
    /- Today: 1 messages in, 0 out\n- Last 30 days: 1 in, 0 out, \$0\.01 of your credit\n- GPT-4o: 1,234 tokens, \$0\.01 of your credit$/,
  )
})

test('/usage of who spent nothing, or next to nothing, says no $0.00', async () => {
  const { userId, write, said } = await somebody()
  const call = (model: string, ownKey: boolean, costMicros: bigint) =>
    fixture.db.usageEvent.create({
      data: {
        ...{
          userId,
          model,
          ownKey,
          costMicros,
          reportKey: `${userId}:${model}`,
          provider: 'OPENAI',
          calls: 1,
        },
        ...{ inputTokens: 10n, outputTokens: 0n, calledAt: new Date(fixture.clock.at) },
      },
    })
  await call('gpt-4o', true, 0n)
  await write('/usage')
  expect((await said()).at(-1)).toMatch(/0 in, 0 out\n- GPT-4o: 10 tokens$/)
  await call('gpt-4o-mini', false, 31n)
  await write('/usage')
  expect((await said()).at(-1)).toMatch(/0 in, 0 out, less than a cent of your credit\n/)
})

test('/model asks with a button for each model, and a press or a name chooses it', async () => {
  const { userId, to, write, said } = await somebody()
  const model = async () => (await fixture.db.assistant.findUniqueOrThrow({ where: { userId } })).model
  await write('/model')
  const { payload } = await fixture.db.delivery.findFirstOrThrow({
    where: { userId },
    orderBy: { createdAt: 'desc' },
  })
  const { buttons } = payload as { buttons: { label: string; data: string }[] }
  const haiku = buttons.find(({ label }) => label === 'Claude Haiku 4.5')
  expect(Buffer.byteLength(haiku?.data ?? '')).toBeLessThanOrEqual(64)
  await pressButton({ ctx: fixture.ctx, input: { from: to, data: haiku?.data ?? '' } })
  expect(await model()).toBe('anthropic/claude-haiku-4-5-20251001')
  await write('/model gpt-4o mini')
  expect(await model()).toBe('openai/gpt-4o-mini')
  expect((await said()).slice(-2)).toEqual([
    'NOTICE > /model gpt-4o mini',
    'NOTICE < Your assistant now thinks with GPT-4o Mini.',
  ])
  await fixture.db.subscription.deleteMany({ where: { userId } })
  await write('/model gpt-4o', 'refused')
  await write('/model gpt-4o', 'refused')
  expect((await said()).slice(-2)).toEqual(['NOTICE > /model gpt-4o', expect.stringMatching(/subscription/)])
  expect(await model()).toBe('openai/gpt-4o-mini')
})

test('/model and /status say when a model ends and what follows it, and a choice of what is about to end says so', async () => {
  const { db, clock } = fixture
  const { userId, write, said } = await somebody()
  const model = 'anthropic/claude-sonnet-4-5-20250929'
  await db.assistant.update({ where: { userId }, data: { model } })
  const answerTo = async (text: string) => {
    await write(text)
    return (await said()).at(-1)
  }
  const end = 'Its provider ends it on 30 November 2026; from then on it will be Claude Sonnet 5.5.'
  expect(await answerTo('/model')).toBe(
    `NOTICE < Your assistant thinks with **Claude Sonnet 4.5**. ${end} Which model should it use?`,
  )
  const before = clock.at
  clock.at = Date.parse('2026-11-20T12:00:00Z')
  expect(await answerTo('/status')).toContain(
    'Claude Sonnet 4.5 (until 30 November 2026, then Claude Sonnet 5.5)',
  )
  expect(await answerTo('/model Claude Sonnet 5.5')).toBe(
    'NOTICE < Your assistant now thinks with Claude Sonnet 5.5.',
  )
  expect(await answerTo('/model')).not.toContain('ends it')
  expect(await answerTo('/model Claude Sonnet 4.5')).toBe(
    `NOTICE < Your assistant now thinks with Claude Sonnet 4.5. ${end}`,
  )
  clock.at = before
})

test('M13: /new begins another conversation; a turn that runs stays in its own, and its history does not follow', async () => {
  const { userId, write, claim, finish, historyOf } = await somebody()
  await write('one')
  const first = await claim()
  await finish(first?.turnId ?? '', 'answer one')
  await write('two')
  const running = await claim()
  expect(running).toMatchObject({ conversation: 0 })
  await write('/new')
  const { ctx } = fixture
  const failed = { turnId: running?.turnId ?? '', sessionEpoch: 1n, code: 'agent_restarted', retryable: true }
  expect(await failTurn({ ctx, input: failed })).toMatchObject({ attempt: 2, outcome: 'waiting' })
  expect(await fixture.db.turn.findUniqueOrThrow({ where: { id: failed.turnId } })).toMatchObject({
    attempts: 2,
    conversation: 0,
  })
  expect(await historyOf(failed.turnId)).toEqual(['one', 'answer one'])
  await finish(failed.turnId, 'answer two')
  await write('three')
  const fresh = await claim()
  expect(fresh).toMatchObject({ conversation: 1 })
  expect(await historyOf(fresh?.turnId ?? '')).toEqual([])
  await finish(fresh?.turnId ?? '', 'answer three')
  await write('four')
  expect(await historyOf((await claim())?.turnId ?? '')).toEqual(['three', 'answer three'])
  const page = await listMessages({ ctx, input: { userId, limit: 50 } })
  expect(page.messages.map(({ body }) => body)).toContain('answer one')
})

test('words behind /new are the first message of the fresh conversation, once, and behind /stop the next one', async () => {
  const { userId, write, said, claim, finish } = await somebody()
  await write('one')
  await finish((await claim())?.turnId ?? '', 'answer one')
  for (let time = 0; time < 2; time += 1) await write('/new  plan\nmy week ', 'fresh')
  expect((await said()).slice(2)).toEqual([
    'CHAT > plan\nmy week',
    expect.stringMatching(/^NOTICE < This is a fresh/),
  ])
  // Its person reads, and finds, what they wrote.
  const { messages } = await listMessages({
    ctx: fixture.ctx,
    input: { userId, query: '/new plan', limit: 5 },
  })
  expect(messages).toMatchObject([{ body: '/new  plan\nmy week ', found: { hit: '/new plan' } }])
  const fresh = await claim()
  expect(fresh).toMatchObject({ conversation: 1, input: { messages: [{ text: 'plan\nmy week' }] } })
  await write('what waits')
  await write('/stop rather a poem')
  expect(
    (await fixture.db.turn.findUniqueOrThrow({ where: { id: fresh?.turnId ?? '' } })).cancelRequestedAt,
  ).not.toBeNull()
  await finish(fresh?.turnId ?? '', 'it was too late')
  expect((await claim())?.input.messages).toMatchObject([{ text: 'what waits' }, { text: 'rather a poem' }])
  expect(await fixture.db.usageDaily.findFirst({ where: { userId } })).toMatchObject({ inboundCount: 4 })
})

test('M14: what follows /new is counted; over the limit neither is done, and that is told', async () => {
  const { userId, write, said, claim } = await somebody()
  await write('hello')
  await fixture.db.usageDaily.updateMany({ where: { userId }, data: { inboundCount: 100 } })
  await write('/new plan my week')
  expect((await said()).at(-1)).toMatch(/^NOTICE < You have reached today's limit/)
  expect(await claim()).toMatchObject({ conversation: 0, input: { messages: [{ text: 'hello' }] } })
})

test('M11, M12: STOP on WhatsApp stops the answer that goes there, and no other; what was there of it stays', async () => {
  const { userId, write, claim, cancel } = await somebody()
  const { ctx, db } = fixture
  const to = { channel: 'WHATSAPP', address: `whatsapp:+1${userId}` } as const
  await db.userPhone.create({ data: { userId, ...to } })
  const onWhatsapp = (body: string, optOut?: 'STOP' | 'START') =>
    takeIncoming({ ctx, input: { to, providerMessageId: crypto.randomUUID(), body, files: [], optOut } })
  const isStopping = async (turnId = '') =>
    (await db.turn.findUniqueOrThrow({ where: { id: turnId } })).cancelRequestedAt !== null
  await write('for Telegram')
  const other = await claim()
  await onWhatsapp('stop', 'STOP')
  expect(await isStopping(other?.turnId)).toBe(false)
  await cancel(other?.turnId ?? '', '')
  await onWhatsapp('start', 'START')
  await onWhatsapp('a story')
  const running = await claim()
  await onWhatsapp('stop', 'STOP')
  expect(await isStopping(running?.turnId)).toBe(true)
  await cancel(running?.turnId ?? '', 'Once upon')
  const kept = await db.message.findFirst({
    where: { userId, direction: 'OUTBOUND' },
    orderBy: { seq: 'desc' },
  })
  expect(kept).toMatchObject({ body: 'Once upon', code: 'stopped' })
})

test('M12: STOP on WhatsApp refuses what waits there for its turn, also when Twilio told of it first, and says so once', async () => {
  const { userId, write, claim } = await somebody()
  const { ctx, db } = fixture
  const to = { channel: 'WHATSAPP', address: `whatsapp:+1${userId}` } as const
  await db.userPhone.create({ data: { userId, ...to } })
  const onWhatsapp = (body: string, optOut?: 'STOP') =>
    takeIncoming({ ctx, input: { to, providerMessageId: crypto.randomUUID(), body, files: [], optOut } })
  const source = { at: 'telegram', fileId: 'f' } as const
  const files = [{ kind: 'DOCUMENT', name: 'a.txt', mimeType: 'text/plain', source } as const]
  await takeIncoming({ ctx, input: { to, providerMessageId: crypto.randomUUID(), body: 'in vain', files } })
  await inTransaction(ctx, (tx) => updateContact(tx, to, { optedOutAt: new Date('2026-03-10') }))
  await onWhatsapp('stop', 'STOP')
  await onWhatsapp('stop', 'STOP')
  expect(await claim()).toBeUndefined()
  const words = await db.message.findMany({ where: { userId }, orderBy: { seq: 'asc' } })
  expect(words.map(({ code, state }) => `${code} ${state}`)).toEqual([
    'opted_out REFUSED',
    'opt_out ANSWERED',
    expect.stringMatching(/^opted_out /),
    'opt_out ANSWERED',
  ])
  expect(await optedOutAt(db, to)).toEqual(new Date('2026-03-10'))
  expect(await db.attachment.findMany({ where: { userId } })).toMatchObject([{ state: 'EXPIRED' }])
  // What was written elsewhere is answered.
  await write('over there')
  expect((await claim())?.input.messages).toMatchObject([{ text: 'over there' }])
})

test('a model asked for anew closes the question before, and a number that no answer has says which there are', async () => {
  const { userId, write } = await somebody()
  const { ctx, db } = fixture
  const to = { channel: 'WHATSAPP', address: `whatsapp:+2${userId}` } as const
  await db.userPhone.create({ data: { userId, ...to } })
  const onWhatsapp = (body: string) =>
    takeIncoming({ ctx, input: { to, providerMessageId: crypto.randomUUID(), body, files: [] } })
  const asked = async () => {
    const rows = await db.question.findMany({ where: { userId }, orderBy: { message: { seq: 'asc' } } })
    return rows.map(
      ({ answer, expiresAt }) => answer ?? (expiresAt > new Date(ctx.clock.now()) ? 'open' : 'closed'),
    )
  }
  const sent = () =>
    db.delivery.updateMany({ where: { userId }, data: { state: 'SENT', sentAt: new Date(ctx.clock.now()) } })
  await onWhatsapp('/model')
  await onWhatsapp('/model')
  expect(await asked()).toEqual(['closed', 'open'])
  await sent()
  await onWhatsapp('17')
  const last = await db.message.findFirst({ where: { userId }, orderBy: { seq: 'desc' } })
  expect(last?.body).toMatch(/numbered from 1 to \d+\.$/)
  await onWhatsapp('2')
  expect(await asked()).toEqual(['closed', expect.stringMatching('/')])
  await write('/model')
  await write('/model Claude Opus 4.5')
  expect((await asked()).at(-1)).toBe('closed')
})

test('M11: /stop with words stops what waits to run, and only that', async () => {
  const { write, said, claim } = await somebody()
  await write('later please')
  await write('/stop a poem')
  expect((await said()).at(-1)).toBe('NOTICE < Stopped.')
  expect((await claim())?.input.messages).toMatchObject([{ text: 'a poem' }])
})

test('/help tells of one command; help with something else is asked of the assistant; other words are not lost in silence', async () => {
  const { write, said, claim } = await somebody()
  await write('/help /Model')
  expect((await said()).at(-1)).toBe('NOTICE < - /model: Choose the model that your assistant thinks with')
  await write('/status of my flight')
  expect((await said()).at(-1)).toMatch(/behind \/status did not go to your assistant/)
  await write('/help me with my taxes')
  expect((await claim())?.input.messages).toMatchObject([{ text: '/help me with my taxes' }])
})

test('M11: a stop while the host is away ends the turn at once, and keeps what had been streamed before', async () => {
  const { userId, hostId, write, said, claim, finish } = await somebody()
  const { ctx, db } = fixture
  const away = (leaseExpiresAt: Date) =>
    db.hostSession.update({ where: { hostId }, data: { leaseExpiresAt } })
  await write('long please')
  const { turnId = '' } = (await claim()) ?? {}
  const partials = [{ turnId, text: 'The first half' }]
  await keepPartials({
    ctx,
    input: { sessionEpoch: 0n, partials: [{ turnId, text: 'of an older session' }] },
  })
  // While the next session takes the turn over, nobody waits for it.
  await db.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT id FROM turns WHERE id = ${turnId}::uuid FOR UPDATE`
    await keepPartials({ ctx, input: { sessionEpoch: 1n, partials: [{ turnId, text: 'too late' }] } })
  })
  await keepPartials({ ctx, input: { sessionEpoch: 1n, partials } })
  await away(new Date(fixture.clock.at))
  await write('/stop')
  expect((await said()).slice(-2)).toEqual(['NOTICE > /stop', 'CHAT < The first half'])
  expect((await listMessages({ ctx, input: { userId, limit: 1 } })).messages).toMatchObject([
    { stopped: true },
  ])
  expect(await db.turn.findUniqueOrThrow({ where: { id: turnId } })).toMatchObject({
    state: 'CANCELED',
    partialText: null,
  })
  await expect(finish(turnId, 'all of it')).rejects.toMatchObject({ code: 'stale_epoch' })
  await write('/stop')
  expect((await said()).at(-1)).toBe('NOTICE < Nothing is running at the moment.')

  // The host went away just after it was told, or before.
  await away(new Date(fixture.clock.at + 60_000))
  await write('once more')
  const second = await claim()
  await write('/stop')
  expect((await said()).at(-1)).toBe('NOTICE > /stop')
  await sweep({ ctx })
  expect((await said()).at(-1)).toBe('NOTICE > /stop')
  await away(new Date(fixture.clock.at))
  await sweep({ ctx })
  await sweep({ ctx })
  expect((await said()).slice(-2)).toEqual(['NOTICE > /stop', 'NOTICE < Stopped.'])
  expect(await db.turn.findUniqueOrThrow({ where: { id: second?.turnId ?? '' } })).toMatchObject({
    state: 'CANCELED',
  })
})

test('M11: a turn that another session takes over brings along what was streamed of it', async () => {
  const { hostId, write, said, claim } = await somebody()
  const { ctx, db } = fixture
  await write('long please')
  const { turnId = '' } = (await claim()) ?? {}
  await keepPartials({ ctx, input: { sessionEpoch: 1n, partials: [{ turnId, text: 'The first half' }] } })
  await db.hostSession.update({ where: { hostId }, data: { epoch: 2n } })
  expect(await adoptTurns({ ctx, input: { hostId, sessionEpoch: 2n } })).toMatchObject([
    { turnId, partialText: 'The first half' },
  ])
  const stopped = { turnId, sessionEpoch: 2n, code: 'turn_canceled', retryable: false, partialText: '' }
  await failTurn({ ctx, input: stopped })
  expect((await said()).at(-1)).toBe('CHAT < The first half')
})

test('M11: what is there of a stopped answer is kept, marked and counted; without a word of it the stop is told', async () => {
  const { userId, write, said, claim, cancel } = await somebody()
  await write('/stop')
  expect((await said()).at(-1)).toBe('NOTICE < Nothing is running at the moment.')
  await write('long please')
  const turn = await claim()
  await write('/stop')
  expect((await said()).at(-1)).toBe('NOTICE > /stop')
  expect(await cancel(turn?.turnId ?? '', '```js\nlet half')).toMatchObject({ outcome: 'canceled' })
  expect(await cancel(turn?.turnId ?? '', '```js\nlet half')).toMatchObject({ outcome: 'canceled' })
  expect((await said()).slice(-2)).toEqual(['NOTICE > /stop', 'CHAT < ```js\nlet half'])
  const { payload } = await fixture.db.delivery.findFirstOrThrow({
    where: { userId },
    orderBy: { createdAt: 'desc' },
  })
  expect(payload).toMatchObject({
    html: '<pre><code class="language-js">let half</code></pre>\n\n⏹ <i>Stopped.</i>',
  })
  const { messages } = await listMessages({ ctx: fixture.ctx, input: { userId, limit: 1 } })
  expect(messages).toMatchObject([{ body: '```js\nlet half', stopped: true }])
  expect(await fixture.db.usageDaily.findFirst({ where: { userId } })).toMatchObject({ outboundCount: 1 })

  await write('once more')
  await cancel((await claim())?.turnId ?? '', ' \n')
  expect((await said()).at(-1)).toBe('NOTICE < Stopped.')
})

test('M11: a turn that waits to run is stopped as well, and does not begin', async () => {
  const { write, said, claim, historyOf } = await somebody()
  await write('later please')
  await write('/stop')
  expect((await said()).at(-1)).toBe('NOTICE < Stopped.')
  expect(await claim()).toBeUndefined()
  await write('and now?')
  const turn = await claim()
  expect(turn?.input.messages).toMatchObject([{ text: 'and now?' }])
  // Nobody heard it.
  expect(await historyOf(turn?.turnId ?? '')).toEqual([])
})

test('M14: fifty commands in a second are bounded, and told so once', async () => {
  const { write, said } = await somebody()
  await Promise.all(Array.from({ length: 50 }, () => write('/help')))
  const answers = (await said()).filter((line) => line.startsWith('NOTICE <'))
  expect(answers).toHaveLength(21)
  expect(answers.filter((line) => line.includes('many commands'))).toHaveLength(1)
})
