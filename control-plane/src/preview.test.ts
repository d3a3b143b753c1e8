import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type ChannelSender, SendError } from './channels/sender.ts'
import type { Deps } from './deps.ts'
import { createPreview } from './preview.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const ctx = { clock: { now: () => Date.now() }, log: { debug: () => {} } } as unknown as Deps['ctx']
const turnId = '01a21589-813c-71db-9871-136588c6ebab'

/** What a phone is shown, in order; each call is answered by `answer`. */
function phone(answer: () => Promise<void> = async () => {}) {
  const shown: string[] = []
  const drafts = new Set<number>()
  const sender: ChannelSender = {
    typingLastsMs: 5_000,
    tellsFate: false,
    send: () => Promise.reject(new Error('not asked for')),
    typing: async () => {},
    preview(_address, draftId, text) {
      shown.push(text)
      drafts.add(draftId)
      return answer()
    },
  }
  const preview = createPreview({ senders: { TELEGRAM: sender }, ctx })
  const begin = (address = '1') =>
    preview.begin({ turnId, userId: 'u', channel: 'TELEGRAM', address, replyTo: null })
  return { shown, drafts, preview, begin }
}

test('M11: an answer is shown at its first words, then once a second, and as long as it lasts', async () => {
  const { shown, drafts, begin } = phone()
  const listener = begin()
  await vi.advanceTimersByTimeAsync(100)
  listener?.text?.('a')
  listener?.text?.('ab')
  await vi.advanceTimersByTimeAsync(25)
  expect(shown).toEqual(['ab'])
  for (const text of ['abc', 'abcd', 'abcde']) {
    listener?.text?.(text)
    await vi.advanceTimersByTimeAsync(300)
  }
  await vi.advanceTimersByTimeAsync(75)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(shown).toEqual(['ab', 'abcde'])
  // Before it fades, it is shown again.
  await vi.advanceTimersByTimeAsync(20_000)
  expect(shown).toEqual(['ab', 'abcde', 'abcde'])
  listener?.end?.('cut')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(shown).toHaveLength(3)
  // Whoever carries it on shows it in the same place.
  begin()?.text?.('x')
  await vi.advanceTimersByTimeAsync(50)
  expect(drafts.size).toBe(1)
})

test('M11: an answer that comes at once has no preview, silence is shown as thinking, and the web is left alone', async () => {
  const { shown, begin, preview } = phone()
  const quick = begin()
  quick?.text?.('at once')
  await quick?.settle?.()
  quick?.end?.('answered')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(shown).toEqual([])
  const slow = begin()
  await vi.advanceTimersByTimeAsync(3_000)
  expect(shown).toEqual([''])
  slow?.end?.('failed')
  const web = { turnId, userId: 'u', channel: 'WEB', address: 'u', replyTo: null } as const
  expect(preview.begin(web)).toBeUndefined()
})

test('M11: the answer waits for a preview that is on its way, and none follows it', async () => {
  const gate = Promise.withResolvers<void>()
  const { shown, begin } = phone(() => gate.promise)
  const listener = begin()
  listener?.text?.('half')
  await vi.advanceTimersByTimeAsync(25)
  listener?.text?.('half and more')
  let settled = false
  const settling = listener?.settle?.().then(() => {
    settled = true
  })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(settled).toBe(false)
  gate.resolve()
  await settling
  await vi.advanceTimersByTimeAsync(60_000)
  expect(shown).toEqual(['half'])
})

test('M6: a provider that asks for silence gets it from all previews; one that refuses for good is left alone', async () => {
  const busy = [new SendError('telegram_429', { retryAfterMs: 7_000 })]
  const { shown, begin } = phone(async () => {
    const error = busy.shift()
    if (error) throw error
  })
  const [one, other] = [begin('1'), begin('2')]
  one?.text?.('one')
  await vi.advanceTimersByTimeAsync(100)
  other?.text?.('other')
  await vi.advanceTimersByTimeAsync(6_500)
  expect(shown).toEqual(['one'])
  await vi.advanceTimersByTimeAsync(1_500)
  expect(shown.toSorted()).toEqual(['one', 'one', 'other'])
  for (const listener of [one, other]) listener?.end?.('answered')

  const gone = phone(() => Promise.reject(new SendError('telegram_403', { kind: 'permanent' })))
  const listener = gone.begin()
  listener?.text?.('a')
  await vi.advanceTimersByTimeAsync(100)
  listener?.text?.('ab')
  await vi.advanceTimersByTimeAsync(30_000)
  expect(gone.shown).toEqual(['a'])
})

test('M6: however many answers are written at once, previews stay within their part of the bot’s rate', async () => {
  const { shown, begin } = phone()
  const listeners = Array.from({ length: 100 }, (_, index) => begin(String(index)))
  for (const listener of listeners) listener?.text?.('a')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(shown.length).toBeGreaterThan(15)
  expect(shown.length).toBeLessThanOrEqual(31)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(shown.length).toBeGreaterThanOrEqual(100)
  expect(shown.length).toBeLessThanOrEqual(15 * 12)
  for (const listener of listeners) listener?.end?.('answered')
})
