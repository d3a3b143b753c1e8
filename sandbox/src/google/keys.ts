import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'

interface Key {
  kid: string
  privateKey: CryptoKey
  jwk: JWK
}

/** The keys that sign ID tokens: the first signs, all of them are published. */
export class Keys {
  #keys: Promise<Key[]> | undefined

  #all(): Promise<Key[]> {
    this.#keys ??= newKey().then((key) => [key])
    return this.#keys
  }

  async jwks(): Promise<{ keys: JWK[] }> {
    return { keys: (await this.#all()).map(({ jwk }) => jwk) }
  }

  async sign(claims: JWTPayload): Promise<string> {
    const [key] = await this.#all()
    if (!key) throw new Error('there is always a key')
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'JWT' })
      .sign(key.privateKey)
  }

  /** A new key signs from now on; the old ones stay published unless they are to be dropped. */
  async rotate(dropOld: boolean): Promise<string> {
    const [old, key] = [await this.#all(), await newKey()]
    this.#keys = Promise.resolve(dropOld ? [key] : [key, ...old])
    return key.kid
  }
}

async function newKey(): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  return { kid, privateKey, jwk: { ...jwk, kid, alg: 'RS256', use: 'sig' } }
}
