import { createCipheriv, createDecipheriv, type DecipherGCM, randomBytes } from 'node:crypto'
import { type Readable, Transform, type TransformCallback } from 'node:stream'
import type { Vault } from '../lib/vault.ts'
import type { Store } from './store.ts'

/*
 * How a file lies in the store: 12 bytes of nonce, AES-256-GCM, 16 bytes of tag. Each file has a key of its own, sealed
 * by the vault in its row: with the row the file is gone, wherever copies of it are.
 */
const nonceBytes = 12
const tagBytes = 16
const algorithm = 'aes-256-gcm'

/** As readSealed, with the key as the vault sealed it in the file's row. */
export async function readStored(
  { vault, store }: { vault: Vault; store: Store },
  { name, keyEncrypted }: { name: string; keyEncrypted: string },
): Promise<Readable> {
  return readSealed(store, name, Buffer.from(await vault.open(keyEncrypted), 'base64'))
}

/** What was sealed with `key`, as it is read: of a file that is not whole, reading fails at its end. */
export async function readSealed(store: Store, name: string, key: Uint8Array): Promise<Readable> {
  const sealed = await store.get(name)
  const stream = unsealStream(key)
  sealed.once('error', (error) => stream.destroy(error)).pipe(stream)
  stream.once('close', () => sealed.destroy())
  return stream
}

/** `key` has 32 bytes and seals one file. */
export function sealStream(key: Uint8Array): Transform {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(algorithm, key, nonce)
  let begun = false
  return new Transform({
    transform(chunk: Buffer, _, done) {
      if (!begun) this.push(nonce)
      begun = true
      done(null, cipher.update(chunk))
    },
    flush(done) {
      if (!begun) this.push(nonce)
      this.push(cipher.final())
      this.push(cipher.getAuthTag())
      done()
    },
  })
}

/** Fails at the end when the file is not what was sealed: until then nothing of it may count. */
function unsealStream(key: Uint8Array): Transform {
  let decipher: DecipherGCM | undefined
  // What may be the nonce, or the tag.
  let held = Buffer.alloc(0)
  return new Transform({
    transform(chunk: Buffer, _, done) {
      held = Buffer.concat([held, chunk])
      if (decipher === undefined && held.length >= nonceBytes) {
        decipher = createDecipheriv(algorithm, key, held.subarray(0, nonceBytes))
        held = held.subarray(nonceBytes)
      }
      if (decipher === undefined || held.length <= tagBytes) return done()
      const safe = held.subarray(0, held.length - tagBytes)
      held = held.subarray(held.length - tagBytes)
      done(null, decipher.update(safe))
    },
    flush(done: TransformCallback) {
      try {
        if (decipher === undefined || held.length !== tagBytes) throw new Error('the file is cut')
        decipher.setAuthTag(held)
        done(null, decipher.final())
      } catch (error) {
        done(error as Error)
      }
    },
  })
}
