import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ChannelSender } from './channels/sender.ts'
import { createProgressLine } from './progress-line.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('M11: where no preview is shown, a turn that lasts is told of; one that ended sooner is not', async () => {
  const silent: ChannelSender = {
    typingLastsMs: 25_000,
    tellsFate: true,
    send: () => Promise.reject(new Error('not asked for')),
    typing: async () => {},
  }
  const senders = { WHATSAPP: silent, TELEGRAM: { ...silent, preview: async () => {} } }
  const told: string[] = []
  const line = createProgressLine({ senders, tell: (turnId) => void told.push(turnId) })
  const turn = { userId: 'u', channel: 'WHATSAPP', address: 'w', replyTo: null } as const
  line.begin({ ...turn, turnId: 'long' })
  const short = line.begin({ ...turn, turnId: 'short' })
  for (const channel of ['TELEGRAM', 'WEB'] as const)
    expect(line.begin({ ...turn, channel, turnId: 'other' })).toBeUndefined()
  await vi.advanceTimersByTimeAsync(19_000)
  short?.end?.('answered')
  expect(told).toEqual([])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(told).toEqual(['long'])
})
