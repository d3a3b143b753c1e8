import { expect, test } from 'vitest'
import { safePath } from './safe-path.ts'

test('I6: a redirect stays on our origin', () => {
  for (const path of ['/', '/dashboard', '/onboarding/channel?model=a%2Fb#x'])
    expect(safePath(path, '/home')).toBe(path)
  const hostile = [
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    'javascript:alert(1)',
    'dashboard',
    '',
    null,
    undefined,
  ]
  for (const path of hostile) expect(safePath(path, '/home')).toBe('/home')
  expect(safePath('/..//evil.example', '/home')).not.toMatch(/^\/\//)
})
