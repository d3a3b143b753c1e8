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
const answer = (state: Message['state']) => message({ direction: 'OUTBOUND', state })
const ready = message({ kind: 'NOTICE', direction: 'OUTBOUND', state: 'SENT' })
const early = message({ state: 'REFUSED', code: 'not_entitled' })

test('the first exchange is followed from the message to the answer that was sent', () => {
  const states = (...messages: Message[]) => firstWords(messages).state
  expect(states()).toBe('nothing')
  expect(states(ready, message({ kind: 'NOTICE', state: 'ANSWERED' }), early)).toBe('nothing')
  expect(states(message({}), ready, early)).toBe('arrived')
  expect(states(answer('PENDING'), message({ state: 'ANSWERED' }))).toBe('arrived')
  for (const state of ['SENT', 'DELIVERED', 'READ'] as const)
    expect(firstWords([answer(state), message({ state: 'ANSWERED' })])).toEqual({
      state: 'answered',
      channel: 'TELEGRAM',
    })
  expect(states(answer('FAILED'), message({ state: 'ANSWERED' }))).toBe('lost')
  expect(states(message({ state: 'REFUSED', code: 'minute_limit' }))).toBe('unanswered')
})
