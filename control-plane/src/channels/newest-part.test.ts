import { expect, test } from 'vitest'
import { newestPart } from './newest-part.ts'

test('M7: what is shown of a long answer begins with a line, keeps its code block, and splits no character', () => {
  expect(newestPart('short')).toBe('short')
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index}`).join('\n')
  expect(newestPart(lines)).toMatch(/^…\nline \d+\n[\s\S]*line 499$/)
  expect(newestPart(`\`\`\`js\n${lines}`)).toMatch(/^…\n```\nline \d+\n/)
  expect(newestPart('😀'.repeat(5_000)).isWellFormed()).toBe(true)
  expect(newestPart(lines).length).toBeLessThan(3_100)
})
