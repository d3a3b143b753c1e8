import { expect, test } from 'vitest'
import { asked } from './asked.ts'

test('a statement is asked before it is answered, and one that is never asked is heard of at once', async () => {
  const { promise: answered, resolve } = Promise.withResolvers<{ rows: never[] }>()
  const texts: string[] = []
  const db = {
    executeSql(text: string) {
      texts.push(text)
      return answered
    },
  }
  const first = await asked(db, async ({ executeSql }) => {
    await Promise.resolve()
    return (await executeSql('one')).rows
  })
  await asked(db, ({ executeSql }) => executeSql('two'))
  expect(texts).toEqual(['one', 'two'])
  resolve({ rows: [] })
  expect(await first.answer).toEqual([])
  await expect(asked(db, async () => Promise.reject(new Error('refused')))).rejects.toThrow('refused')
  expect((await asked(db, async () => 'nothing to ask')).answer).toBeInstanceOf(Promise)
})
