import { expect, test } from 'vitest'
import { beginningOfDay, inWords, lastDayInWords } from './days.ts'

test.each([
  ['2030-05-01', 'UTC', 0, '2030-05-01T00:00:00.000Z'],
  ['2030-05-01', 'Asia/Kathmandu', 0, '2030-04-30T18:15:00.000Z'],
  ['2030-12-31', 'America/New_York', 1, '2031-01-01T05:00:00.000Z'],
  // Clocks change on that day, and on the one before.
  ['2030-03-31', 'Europe/Budapest', 0, '2030-03-30T23:00:00.000Z'],
  ['2030-03-31', 'Europe/Budapest', 1, '2030-03-31T22:00:00.000Z'],
  ['2030-10-27', 'Europe/Budapest', 1, '2030-10-27T23:00:00.000Z'],
  ['2030-03-10', 'Pacific/Auckland', 0, '2030-03-09T11:00:00.000Z'],
] as const)('%s in %s begins, %i days later, at %s', (day, timeZone, later, instant) => {
  expect(beginningOfDay(day, timeZone, later).toISOString()).toBe(instant)
})

test('a day and a moment are told in the words and the time of who reads them', () => {
  expect(inWords('2030-05-01', 'America/New_York')).toBe('Wed, 1 May 2030')
  expect(lastDayInWords('2030-03-01')).toBe('Thu, 28 February 2030')
  expect(inWords('2030-05-01T10:00:00+02:00', 'Europe/Berlin')).toBe(
    'Wed, 1 May 2030 at 10:00 (Europe/Berlin)',
  )
  expect(inWords('2030-05-01T00:30:05Z', 'America/New_York')).toBe(
    'Tue, 30 April 2030 at 20:30:05 (America/New_York)',
  )
  expect(inWords('?', 'UTC')).toBe('?')
})
