import { expect, test } from 'vitest'
import { shareLooks } from './shared-look.ts'

test('S5: who asks during a look gets the answer of a later one, shared by all who asked', async () => {
  const looks: PromiseWithResolvers<string>[] = []
  const ask = shareLooks(() => {
    const look = Promise.withResolvers<string>()
    looks.push(look)
    return look.promise
  })
  const first = ask('a')
  const later = [ask('a'), ask('a')]
  looks[0]?.reject(new Error('refused'))
  await expect(first).rejects.toThrow('refused')
  await expect.poll(() => looks.length).toBe(2)
  const last = ask('a')
  looks[1]?.resolve('second')
  expect(await Promise.all(later)).toEqual(['second', 'second'])
  await expect.poll(() => looks.length).toBe(3)
  looks[2]?.resolve('third')
  expect(await last).toBe('third')
})
