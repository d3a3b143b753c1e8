import { expect, test } from 'vitest'
import { withoutSecrets } from './without-secrets.ts'

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl'

const lines: readonly [string, string][] = [
  [`https://x/api/v1/files/1?token=${jwt}&inline=1`, 'https://x/api/v1/files/1?token=…&inline=1'],
  ['https://t.me/our_bot?start=Abc-123', 'https://t.me/our_bot?start=…'],
  ['/callback?state=s3cret&code=4%2F0Ab#x', '/callback?state=…&code=…#x'],
  ['X-Goog?X-Amz-Signature=ab12&access_token=ya29.x', 'X-Goog?X-Amz-Signature=…&access_token=…'],
  ['"authorization":"Bearer abc.def-_~"', '"authorization":"Bearer …"'],
  [
    'request to https://api.telegram.org/bot123:AAE-x_y/sendMessage failed',
    'request to https://api.telegram.org/bot…/sendMessage failed',
  ],
  [`the token ${jwt} is over`, 'the token … is over'],
  ['Incorrect API key provided: sk-ant-api03-abcdefghijkl', 'Incorrect API key provided: sk-…'],
  ['Connect my assistant: YC-ABCDEFGHJKLMNPQR', 'Connect my assistant: YC-…'],
  ['?text=Connect%20my%20assistant%3A%20YC-ABCDEFGHJKLMNPQR', '?text=Connect%20my%20assistant%3A%20YC-…'],
  ['postgresql://yourclaw:s3cret@db:5432/yourclaw', 'postgresql://yourclaw:…@db:5432/yourclaw'],
  ['key AIzaSyA-1234567890abcdefghij is not valid', 'key AIza… is not valid'],
]

test.each(lines)('S8: %s', (line, kept) => {
  expect(withoutSecrets(line)).toBe(kept)
})

test('what is no secret stays as it is', () => {
  const line = JSON.stringify({
    code: 'link_invalid',
    route: '/api/v1/files/{id}',
    msg: 'token=',
    key: 'a-b',
  })
  expect(withoutSecrets(line)).toBe(line)
})
