import { expect, test } from 'vitest'
import { fateOf, spoken, writerOf } from './words.ts'

test('a person’s command is their own words', () => {
  expect(writerOf({ direction: 'INBOUND', kind: 'NOTICE' })).toBe('You')
  expect(writerOf({ direction: 'INBOUND', kind: 'CHAT' })).toBe('You')
  expect(writerOf({ direction: 'OUTBOUND', kind: 'NOTICE' })).toBe('YourClaw')
  expect(writerOf({ direction: 'OUTBOUND', kind: 'CHAT' })).toBe('Assistant')
})

test('what is not answered says why, and who left by STOP how to come back', () => {
  const message = {
    id: '1',
    direction: 'INBOUND',
    kind: 'CHAT',
    channel: 'WHATSAPP',
    body: 'hello?',
    at: '2026-03-10T12:00:00Z',
    state: 'REFUSED',
    seq: 1,
  } as const
  expect(fateOf({ ...message, code: 'opted_out', refusal: 'opted_out' })).toEqual({
    words: 'Not answered',
    why: 'You had written STOP there. Write START there to go on.',
    isRetryable: true,
  })
  expect(fateOf({ ...message, code: 'provider_down', refusal: 'turn_failed' })?.why).toBe(
    'Your assistant could not. The notice about it says why.',
  )
})

test('an answer is said without its marks', () => {
  expect(spoken('See **[the map](https://maps.test/a_(b)?c=1 "Map")** and ![a cat](cat.png).')).toBe(
    'See the map and a cat.',
  )
  expect(spoken('| Day | Sun |\n|:----:|:-:|\n| Mon | yes |\n\n---\n\nBye - now')).toBe(
    'Day Sun Mon yes Bye - now',
  )
})

test('a long answer of nothing but marks is said at once', () => {
  const started = performance.now()
  for (const part of ['[', '](', '[](', '-', '|:- x', '[a](b [c](d ']) spoken(part.repeat(20_000))
  expect(performance.now() - started).toBeLessThan(1_000)
})
