import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ChannelSender } from './channels/sender.ts'
import type { Deps } from './deps.ts'
import { createTyping } from './typing.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('M11: typing is shown again before it fades, on each channel in its time, until the turn ends', async () => {
  const shown: string[] = []
  const sender = (typingLastsMs: number): ChannelSender => ({
    typingLastsMs,
    tellsFate: false,
    send: () => Promise.reject(new Error('not asked for')),
    async typing(address, replyTo) {
      shown.push(`${address} ${replyTo}`)
      throw new Error('the provider is down')
    },
  })
  const ctx = { log: { debug: () => {} } } as unknown as Deps['ctx']
  const showTyping = createTyping({ senders: { TELEGRAM: sender(5_000), WHATSAPP: sender(25_000) }, ctx })
  showTyping({ channel: 'TELEGRAM', address: 'answered at once', replyTo: null })()
  const stops = [
    showTyping({ channel: 'TELEGRAM', address: 't', replyTo: null }),
    showTyping({ channel: 'WHATSAPP', address: 'w', replyTo: 'SM1' }),
    showTyping({ channel: 'WEB', address: 'b', replyTo: null }),
  ]
  await vi.advanceTimersByTimeAsync(20_300)
  expect(shown.filter((text) => text === 't null')).toHaveLength(6)
  expect(shown.filter((text) => text === 'w SM1')).toHaveLength(2)
  expect(shown).toHaveLength(8)
  for (const stop of stops) stop()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(shown).toHaveLength(8)
})
