import { decodeProtectedHeader } from 'jose'
import { expect, test } from 'vitest'
import { createVault } from './vault.ts'

const key = (fill: number) => Buffer.alloc(32, fill).toString('base64')

test('S7: a sealed secret opens again and names its key, not its content', async () => {
  const vault = createVault(`k1:${key(1)}`)
  const sealed = await vault.seal('sk-secret')
  expect(sealed).not.toContain('sk-secret')
  expect(decodeProtectedHeader(sealed)).toMatchObject({ enc: 'A256GCM', kid: 'k1' })
  expect(await vault.open(sealed)).toBe('sk-secret')
})

test('S7: after a rotation old secrets open and new ones use the newest key', async () => {
  const old = await createVault(`k1:${key(1)}`).seal('before')
  const rotated = createVault(`k2:${key(2)},k1:${key(1)}`)
  expect(await rotated.open(old)).toBe('before')
  expect(decodeProtectedHeader(await rotated.seal('after')).kid).toBe('k2')
  expect(await rotated.seal('after')).toMatch(new RegExp(`^${rotated.newestPrefix}`))
  expect(old.startsWith(rotated.newestPrefix)).toBe(false)
})

test('S7: tampering, a wrong key and an unknown key id are refused', async () => {
  const sealed = await createVault(`k1:${key(1)}`).seal('x')
  await expect(createVault(`k1:${key(9)}`).open(sealed)).rejects.toThrow()
  await expect(createVault(`k3:${key(1)}`).open(sealed)).rejects.toThrow(/no key with id/)
  await expect(createVault(`k1:${key(1)}`).open(`${sealed.slice(0, -4)}AAAA`)).rejects.toThrow()
})

test('O4: malformed key settings are named without their material', () => {
  expect(() => createVault('k1')).toThrow(/id:base64/)
  expect(() => createVault('k1:AAAA')).toThrow(/32 bytes/)
  expect(() => createVault(`k1:${key(1)},k1:${key(2)}`)).toThrow(/twice/)
})
