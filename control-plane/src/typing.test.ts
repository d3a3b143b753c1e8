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
  const typing = createTyping({ senders: { TELEGRAM: sender(5_000), WHATSAPP: sender(25_000) }, ctx })
  const turn = { turnId: 't', userId: 'u', replyTo: null }
  typing.begin({ ...turn, channel: 'TELEGRAM', address: 'answered at once' })?.end?.('answered')
  const listeners = [
    typing.begin({ ...turn, channel: 'TELEGRAM', address: 't' }),
    typing.begin({ ...turn, channel: 'WHATSAPP', address: 'w', replyTo: 'SM1' }),
    typing.begin({ ...turn, channel: 'WEB', address: 'b' }),
  ]
  await vi.advanceTimersByTimeAsync(20_300)
  expect(shown.filter((text) => text === 't null')).toHaveLength(6)
  expect(shown.filter((text) => text === 'w SM1')).toHaveLength(2)
  expect(shown).toHaveLength(8)
  for (const listener of listeners) listener?.end?.('cut')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(shown).toHaveLength(8)
})
