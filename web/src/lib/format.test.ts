import { expect, test } from 'vitest'
import { money, unitPrice } from './format.ts'

test('an amount is rounded to cents, and one below a cent is not rounded away', () => {
  expect([10_000_000, -9_999, 31, -31, 0, 12_345_678].map(money)).toEqual([
    '$10.00',
    '-$0.009999',
    '$0.000031',
    '-$0.000031',
    '$0.00',
    '$12.35',
  ])
  expect([75_000, 15_000_000].map(unitPrice)).toEqual(['$0.075', '$15.00'])
})
