import { expect, test } from 'vitest'
import { guaranteeProblems } from './guarantees.ts'

const page = (state: string, files: string) => `| M2 | Once. | ${state} | ${files} |`
// Put together here, so that the checker does not take these lines for proofs.
const tests = new Map([['a/b.test.ts', ['te', "st('M2: a message is processed once', run)"].join('')]])

test('a page that names the test of a number is true', () => {
  expect(guaranteeProblems(page('kept', '[b.test.ts](../a/b.test.ts)'), tests)).toEqual([])
})

test('a page that claims a test which is not there is not', () => {
  expect(guaranteeProblems(page('kept', '[c.test.ts](../c.test.ts)'), tests)).toContain(
    'M2: c.test.ts has no test of it',
  )
  expect(guaranteeProblems(page('kept', ''), new Map())).toEqual(['M2: “kept” does not fit its tests'])
})

test('a number that a test carries is named', () => {
  expect(guaranteeProblems(page('not yet', ''), tests)).toEqual(['M2: a/b.test.ts is not named'])
  expect(guaranteeProblems('', tests)).toHaveLength(1)
})
