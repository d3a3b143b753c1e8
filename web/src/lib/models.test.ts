import { expect, test } from 'vitest'
import { endText, optionText } from './models.ts'

const models = [
  { id: 'a/old', name: 'Old', retiredOn: '2026-11-30', replacedBy: 'a/new' },
  { id: 'a/new', name: 'New' },
]
test('a list says until when a model is there, and what follows it', () => {
  expect(models.map(optionText)).toEqual(['Old, until 30 Nov', 'New'])
  const end = 'Its provider ends it on 30 November 2026'
  expect(endText(models[0], models)).toBe(`${end}; from then on it will be New.`)
  expect(endText(models[0], [])).toBe(`${end}.`)
  expect([endText(models[1], models), endText(undefined, models)]).toEqual([undefined, undefined])
})
