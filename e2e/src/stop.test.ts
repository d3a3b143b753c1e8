import { expect, onTestFinished, test, vi } from 'vitest'
import { startTestSystem } from './system.ts'

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 50 })

test('M11: a stop while the host is away is answered with what had been streamed, and the host forgets the turn', async () => {
  const system = await startTestSystem()
  onTestFinished(() => system.stop(), 60_000)
  const [ada] = system.people
  if (!ada) throw new Error('the sandbox has no people')
  const host = await system.spawnHost('fake')
  const heard = () => system.heard(ada)
  await eventually(async () => expect(await heard()).toContain('Your assistant is ready. Say hello!'))
  const story = 'Once upon a time there was a house and in it '.repeat(50)
  await system.sandbox('/sim/models/script', {
    match: 'a story',
    reply: story,
    stream: { chunkDelayMs: 100 },
  })
  await system.say(ada, 'tell me a story')
  const drafts = async () => {
    const seen = await system.sandbox(`/sim/telegram/${ada.telegramUserId}/messages`)
    return (seen as { kind: string; text: string }[]).filter(
      ({ kind, text }) => kind === 'draft' && text !== '',
    )
  }
  await eventually(async () => expect((await drafts()).at(-1)?.text).toMatch(/^Once/))
  await host.kill()
  await system.say(ada, '/stop')
  const stopped = /^Once[\s\S]*⏹ <i>Stopped\.<\/i>$/
  await eventually(async () => expect((await heard()).at(-1)).toMatch(stopped))
  host.start()
  await system.say(ada, 'and now?')
  await eventually(async () => expect((await heard()).at(-1)).toBe('and now?'))
  expect((await heard()).filter((text) => text.startsWith('Once'))).toHaveLength(1)
}, 180_000)
