import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBinding } from '../channel/start-binding.ts'
import { createFixture, createPerson, type Fixture } from './fixtures.ts'
import { takeIncoming } from './take-incoming.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

const web = 'https://web.test'
type Person = Awaited<ReturnType<typeof createPerson>>
interface State {
  name: string
  /** What is so of the person, before a chat of theirs is connected. */
  make: (person: Person) => Promise<unknown>
  says: string
  /** What they then write is refused with that. */
  refused?: string
}

const subscription = (data: object) => (person: Person) =>
  fixture.db.subscription.updateMany({ where: { userId: person.userId }, data })
const assistant = (data: object) => (person: Person) =>
  fixture.db.assistant.update({ where: { userId: person.userId }, data })

const states: State[] = [
  { name: 'a running one', make: async () => {}, says: 'Write to your assistant right here.' },
  {
    name: 'no trial yet',
    make: ({ userId }) => fixture.db.subscription.deleteMany({ where: { userId } }),
    says: `start the trial at ${web}/onboarding.`,
    refused: 'not_entitled',
  },
  {
    name: 'a subscription that ended',
    make: subscription({ status: 'CANCELED' }),
    says: `subscribe again at ${web}/dashboard/subscription.`,
    refused: 'not_entitled',
  },
  {
    name: 'a payment that is due',
    make: subscription({ status: 'PAST_DUE' }),
    says: `A payment is due, and until it is made your assistant does not answer. You can make it at ${web}/dashboard/subscription.`,
    refused: 'not_entitled',
  },
  {
    name: 'one that is set up',
    make: assistant({ status: 'PROVISIONING' }),
    says: 'answered as soon as it is ready.',
  },
  {
    name: 'one that is paused',
    make: assistant({ suspendedAt: new Date() }),
    says: 'is paused at the moment.',
  },
  {
    name: 'one that failed',
    make: assistant({ status: 'ERROR' }),
    says: `start it again at ${web}/dashboard.`,
  },
  {
    name: 'one that was deleted',
    make: assistant({ status: 'NONE', desired: 'ABSENT', hostServerId: null }),
    says: `Set one up at ${web}/dashboard`,
    refused: 'no_assistant',
  },
]

let number = 4_711_000
test.each(states)('who connects a chat hears what is so with $name, on every messenger', async (state) => {
  const { ctx, db } = fixture
  for (const channel of ['TELEGRAM', 'WHATSAPP'] as const) {
    const person = await createPerson(db, { channel })
    await state.make(person)
    const { userId } = person
    const id = String(++number)
    const to = { channel, address: channel === 'WHATSAPP' ? `whatsapp:+1555${id}` : id }
    const write = (body: string, code?: string) =>
      takeIncoming({
        ctx,
        input: {
          to,
          providerMessageId: crypto.randomUUID(),
          body,
          files: [],
          bind: code ? { code } : undefined,
        },
      })
    const { code } = await startBinding({ ctx, input: { userId, channel } })
    const heard = async () => {
      const where = { userId, kind: 'NOTICE', direction: 'OUTBOUND', ...to } as const
      return (await db.message.findMany({ where, orderBy: { seq: 'asc' } })).map(({ code, body }) => [
        code,
        body,
      ])
    }
    await write(code, code)
    await write('/start')
    await write('hello?')
    const [bound, started, refused] = await heard()
    expect(bound).toEqual(['bind_bound', expect.stringMatching(/^This chat is connected\. /)])
    expect(bound?.[1]).toContain(state.says)
    expect(started).toEqual(['command_start', expect.stringContaining(state.says)])
    if (state.refused) expect(refused).toEqual([state.refused, expect.stringContaining(state.says)])
    else expect(refused?.[0] ?? 'assistant_suspended').toBe('assistant_suspended')
  }
})

test('who takes back a STOP is not told to write where nobody answers', async () => {
  const { ctx, db, told } = fixture
  const person = await createPerson(db, { channel: 'WHATSAPP' })
  await db.subscription.deleteMany({ where: { userId: person.userId } })
  const say = (from: string, body: string, optOut: 'STOP' | 'START') => {
    const to = { channel: 'WHATSAPP', address: from } as const
    return takeIncoming({
      ctx,
      input: { to, providerMessageId: crypto.randomUUID(), body, files: [], optOut },
    })
  }
  for (const from of [person.address, 'whatsapp:+15550000']) {
    await say(from, 'stop', 'STOP')
    await say(from, 'start', 'START')
  }
  const back = await db.message.findFirstOrThrow({ where: { userId: person.userId, code: 'opted_in' } })
  expect(back.body).toBe(
    `Welcome back. One step is left before your assistant answers here: start the trial at ${web}/onboarding.`,
  )
  expect(told.map(({ text }) => text)).toEqual([
    expect.stringMatching(/^Welcome back\. I don't know this chat yet/),
  ])
})
