import { expect, test } from 'vitest'
import { traceIdOf, traceParentFrom } from './trace-context.ts'

const given = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

test('O1: a trace that comes in goes on, anything else begins a new one', () => {
  expect(traceParentFrom(given)).toBe(given)
  expect(traceIdOf(given)).toBe('4bf92f3577b34da6a3ce929d0e0e4736')
  for (const bad of [
    undefined,
    '',
    'x'.repeat(10_000),
    given.replace('00-4b', '00-xx'),
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
  ]) {
    const made = traceParentFrom(bad)
    expect(made).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(made).not.toBe(bad)
  }
})
