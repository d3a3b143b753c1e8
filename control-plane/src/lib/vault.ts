import { base64url, CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose'

/** Encrypts secrets at rest (S7): JWE, `dir` + A256GCM, the key's id in the header, so that keys can be rotated. */
export interface Vault {
  /** Seals with the newest key. */
  seal(secret: string): Promise<string>
  /** Opens with the key the header names; throws when that key is no longer configured or the text was tampered with. */
  open(sealed: string): Promise<string>
  /** How all that the newest key sealed begins, and nothing else. */
  readonly newestPrefix: string
}

/** `keys` is `id:base64,id:base64`, newest first; each key has 32 bytes. Throws a sentence that names no key material. */
export function createVault(keys: string): Vault {
  const ring = parseKeys(keys)
  const newest = ring.entries().next().value
  if (newest === undefined) throw new Error('at least one key is needed')
  const [newestId, newestKey] = newest
  const header = { alg: 'dir', enc: 'A256GCM', kid: newestId } as const
  return {
    newestPrefix: `${base64url.encode(JSON.stringify(header))}.`,
    seal: (secret) =>
      new CompactEncrypt(new TextEncoder().encode(secret)).setProtectedHeader(header).encrypt(newestKey),
    async open(sealed) {
      const { kid } = decodeProtectedHeader(sealed)
      const key = kid === undefined ? undefined : ring.get(kid)
      if (key === undefined) throw new Error(`no key with id ${kid} is configured`)
      const options = { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] }
      const { plaintext } = await compactDecrypt(sealed, key, options)
      return new TextDecoder().decode(plaintext)
    },
  }
}

/** The id of the key that sealed something; undefined for what no vault of ours made. */
export function keyIdOf(sealed: string): string | undefined {
  try {
    return decodeProtectedHeader(sealed).kid
  } catch {
    return undefined
  }
}

/** In order; a Map keeps it. */
export function parseKeys(keys: string): Map<string, Uint8Array> {
  const ring = new Map<string, Uint8Array>()
  for (const entry of keys.split(',')) {
    const [id, base64, ...rest] = entry.trim().split(':')
    if (!id || !base64 || rest.length > 0) throw new Error('each key must be id:base64')
    const key = Buffer.from(base64, 'base64')
    if (key.length !== 32) throw new Error(`key ${id} must have 32 bytes, base64`)
    if (ring.has(id)) throw new Error(`key id ${id} is there twice`)
    ring.set(id, key)
  }
  return ring
}
