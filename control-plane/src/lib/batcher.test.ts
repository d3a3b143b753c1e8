import { expect, test } from 'vitest'
import { createBatcher } from './batcher.ts'

function setUp(options: { maxItems?: number; refused?: string } = {}) {
  const batches: string[][] = []
  const alone: string[] = []
  const call = createBatcher<string, string>({
    async together(items) {
      batches.push(items)
      if (items.includes(options.refused ?? '')) throw new Error('poisoned')
      return items.map((item) => `${item} together`)
    },
    failed() {},
    async alone(item) {
      alone.push(item)
      if (item === options.refused) throw new Error('still poisoned')
      return `${item} alone`
    },
    keyOf: (item) => item[0] ?? '',
    maxItems: options.maxItems ?? 10,
  })
  return { call, batches, alone }
}

test('what comes while a batch is written goes with the next one', async () => {
  const { call, batches } = setUp()
  const first = call('a')
  await new Promise(setImmediate)
  const rest = ['b', 'c'].map(call)
  expect(await Promise.all([first, ...rest])).toEqual(['a together', 'b together', 'c together'])
  expect(batches).toEqual([['a'], ['b', 'c']])
})

test('F8: one poisoned item fails alone', async () => {
  const { call, alone } = setUp({ refused: 'b' })
  const results = await Promise.allSettled(['a', 'b', 'c'].map(call))
  expect(results.map((result) => (result.status === 'fulfilled' ? result.value : 'failed'))).toEqual([
    'a alone',
    'failed',
    'c alone',
  ])
  expect(alone).toEqual(['a', 'b', 'c'])
})

test('items of one key go one after the other, and a batch has its bounds', async () => {
  const { call, batches } = setUp({ maxItems: 2 })
  await Promise.all(['a1', 'a2', 'b1', 'c1', 'a3'].map(call))
  expect(batches).toEqual([['a1', 'b1'], ['a2', 'c1'], ['a3']])
})
