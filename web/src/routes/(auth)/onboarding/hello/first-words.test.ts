import { expect, test } from 'vitest'
import type { Message } from '#lib/server/api/views.ts'
import { firstWords } from './first-words.ts'

const message = (more: Partial<Message>): Message => ({
  id: 'm',
  direction: 'INBOUND',
  kind: 'CHAT',
  channel: 'TELEGRAM',
  body: 'hello',
  at: '2026-03-10T12:00:00Z',
  state: 'RECEIVED',
  seq: 1,
  ...more,
})
const before = '2026-03-10T11:00:00Z'
const answer = (state: Message['state']) => message({ direction: 'OUTBOUND', state })
const ready = message({ kind: 'NOTICE', direction: 'OUTBOUND', state: 'SENT' })
const early = message({ state: 'REFUSED', code: 'not_entitled' })

test('the first exchange is followed from the message to the answer that was sent', () => {
  const states = (...messages: Message[]) => firstWords(messages, before).state
  expect(states()).toBe('nothing')
  expect(states(ready, message({ kind: 'NOTICE', state: 'ANSWERED' }), early)).toBe('nothing')
  expect(states(message({}), ready, early)).toBe('arrived')
  expect(states(answer('PENDING'), message({ state: 'ANSWERED' }))).toBe('arrived')
  for (const state of ['SENT', 'DELIVERED', 'READ'] as const)
    expect(firstWords([answer(state), message({ state: 'ANSWERED' })], before)).toEqual({
      state: 'answered',
      channel: 'TELEGRAM',
    })
  expect(states(answer('FAILED'), message({ state: 'ANSWERED' }))).toBe('lost')
  expect(states(message({ state: 'REFUSED', code: 'minute_limit' }))).toBe('unanswered')
})

test('a message that is over without an answer is waited for no longer', () => {
  const stopped = message({ state: 'ANSWERED', code: 'turn_canceled' })
  const silent = message({ state: 'ANSWERED', turnId: 't2' })
  const lost = { ...answer('FAILED'), turnId: 't1' }
  expect(firstWords([stopped], before).state).toBe('unanswered')
  expect(firstWords([silent], before).state).toBe('unanswered')
  expect(firstWords([silent, lost], before).state).toBe('unanswered')
  expect(firstWords([message({}), lost], before).state).toBe('arrived')
})

test('what was said with an assistant before this one says nothing of it', () => {
  const old = [answer('SENT'), message({ state: 'ANSWERED' })]
  const later = '2026-03-10T12:30:00.000Z'
  expect(firstWords(old, later).state).toBe('nothing')
  expect(firstWords(old, undefined).state).toBe('nothing')
  expect(firstWords([message({ at: later }), ...old], later).state).toBe('arrived')
})
