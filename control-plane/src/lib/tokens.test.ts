import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { createTokens } from './tokens.ts'

const seed = (fill: number) => `k${fill}:${Buffer.alloc(32, fill).toString('base64')}`
const issuer = 'https://api.example.com'
const tokens = createTokens(seed(1), issuer)
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const claims = { sub: 'u', jti: 'j', iss: issuer, aud: 'yourclaw', exp: Math.floor(Date.now() / 1000) + 60 }

test('I7: a token of ours is accepted, also after a rotation', async () => {
  const token = await tokens.issue('user-1', 60)
  expect(await tokens.verify(token)).toMatchObject({ userId: 'user-1' })
  expect(await createTokens(`${seed(2)},${seed(1)}`, issuer).verify(token)).toMatchObject({
    userId: 'user-1',
  })
})

test('I7: alg none is refused', async () => {
  await expect(tokens.verify(`${encode({ alg: 'none', kid: 'k1' })}.${encode(claims)}.`)).rejects.toThrow(
    'invalid_token',
  )
})

test('I7: HS256 signed with a public key is refused', async () => {
  const { publicKey } = generateKeyPairSync('ed25519')
  const pem = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })).export({
    type: 'spki',
    format: 'pem',
  })
  const body = `${encode({ alg: 'HS256', kid: 'k1' })}.${encode(claims)}`
  const signature = createHmac('sha256', pem).update(body).digest('base64url')
  await expect(tokens.verify(`${body}.${signature}`)).rejects.toThrow('invalid_token')
})

test('I7: another issuer, audience or key, an expired or not yet valid token, and noise are refused', async () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const foreign = await new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA', kid: 'k1' }).sign(privateKey)
  const bad = [
    await createTokens(seed(1), 'https://other.example.com').issue('u', 60),
    await tokens.issue('u', -60),
    foreign,
    'noise',
    'a.b.c',
    '',
  ]
  for (const token of bad) await expect(tokens.verify(token)).rejects.toThrow('invalid_token')
})
