import { createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, jwtVerify, SignJWT } from 'jose'
import { unauthenticated } from '../errors.ts'
import { parseKeys } from './vault.ts'

/** Bearer tokens of our own: JWT, EdDSA, the key's id in the header (I7). */
export interface Tokens {
  issue(userId: string, ttlSeconds: number): Promise<string>
  /** Checks signature, algorithm, issuer, audience, expiry and not-before; throws `unauthenticated`. */
  verify(token: string): Promise<{ userId: string; jti: string; expiresAt: Date }>
}

const audience = 'yourclaw'
const algorithm = 'EdDSA'
/** PKCS#8 wrapping of a raw 32-byte Ed25519 seed (RFC 8410). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/** `seeds` is `id:base64,…`, newest first; `issuer` is our own public address. */
export function createTokens(seeds: string, issuer: string): Tokens {
  const ring = new Map<string, { privateKey: KeyObject; publicKey: KeyObject }>()
  for (const [id, seed] of parseKeys(seeds)) {
    const privateKey = createPrivateKey({
      key: Buffer.concat([pkcs8Prefix, seed]),
      format: 'der',
      type: 'pkcs8',
    })
    ring.set(id, { privateKey, publicKey: createPublicKey(privateKey) })
  }
  const newest = ring.entries().next().value
  if (newest === undefined) throw new Error('at least one signing key is needed')
  const [kid, { privateKey }] = newest

  return {
    issue: (userId, ttlSeconds) =>
      new SignJWT()
        .setProtectedHeader({ alg: algorithm, kid })
        .setSubject(userId)
        .setIssuer(issuer)
        .setAudience(audience)
        .setJti(randomUUID())
        .setIssuedAt()
        .setExpirationTime(Math.floor(Date.now() / 1000) + ttlSeconds)
        .sign(privateKey),

    async verify(token) {
      try {
        const { kid: tokenKid = '' } = decodeProtectedHeader(token)
        const key = ring.get(tokenKid)
        if (key === undefined) throw new Error('unknown key')
        const { payload } = await jwtVerify(token, key.publicKey, {
          issuer,
          audience,
          algorithms: [algorithm],
          requiredClaims: ['sub', 'jti', 'exp'],
        })
        const { sub = '', jti = '', exp = 0 } = payload
        return { userId: sub, jti, expiresAt: new Date(exp * 1000) }
      } catch (cause) {
        throw Object.assign(unauthenticated('The bearer token is not valid.', 'invalid_token'), { cause })
      }
    },
  }
}

/** Only to choose a verifier; says nothing about whether the token is good. */
export function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}
