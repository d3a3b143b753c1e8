import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto'
import {
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose'
import { forbidden, ServiceError, unauthenticated } from '../errors.ts'
import { parseKeys } from './vault.ts'

/** Bearer tokens of our own: JWT, EdDSA, the key's id in the header (I7). */
export interface Tokens {
  /** A bearer that stands alone, or the next one of a browser's session, which all carry the session's id. */
  issue(userId: string, ttlSeconds: number, session?: Session, issuedAt?: Date): Promise<string>
  /** Checks signature, algorithm, issuer, audience, expiry and not-before; throws `unauthenticated`. */
  verify(token: string): Promise<OwnToken>
  /** For a link that opens one thing, and nothing else, until then. */
  signLink(subject: string, expiresAt: Date): Promise<string>
  /** Throws `link_invalid` for a link to anything else, and one that is over. */
  verifyLink(token: string, subject: string): Promise<void>
}

/** What one sign-in of a browser began: its tokens follow each other, and end together. */
export interface Session {
  /** The `jti` of each of its tokens. */
  id: string
  startedAt: Date
}

export interface OwnToken {
  userId: string
  jti: string
  issuedAt: Date
  expiresAt: Date
  /** Undefined for a bearer that stands alone. */
  sessionStartedAt: Date | undefined
}

const audience = 'yourclaw'
const linkAudience = 'yourclaw-link'
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

  async function read(
    token: string,
    claims: { audience: string; requiredClaims: string[]; subject?: string },
  ) {
    const { kid: tokenKid = '' } = decodeProtectedHeader(token)
    const key = ring.get(tokenKid)
    if (key === undefined) throw new Error('unknown key')
    return (await jwtVerify(token, key.publicKey, { issuer, algorithms: [algorithm], ...claims })).payload
  }

  return {
    issue: (userId, ttlSeconds, session, issuedAt = new Date()) =>
      new SignJWT(session && { auth_time: Math.floor(session.startedAt.getTime() / 1000) })
        .setProtectedHeader({ alg: algorithm, kid })
        .setSubject(userId)
        .setIssuer(issuer)
        .setAudience(audience)
        .setJti(session?.id ?? randomUUID())
        .setIssuedAt(issuedAt)
        .setExpirationTime(Math.floor(Date.now() / 1000) + ttlSeconds)
        .sign(privateKey),

    async verify(token) {
      try {
        const payload = await read(token, { audience, requiredClaims: ['sub', 'jti', 'exp'] })
        const { sub = '', jti = '', exp = 0, iat = 0, auth_time: startedAt } = payload
        return {
          userId: sub,
          jti,
          issuedAt: new Date(iat * 1000),
          expiresAt: new Date(exp * 1000),
          sessionStartedAt: typeof startedAt === 'number' ? new Date(startedAt * 1000) : undefined,
        }
      } catch (cause) {
        throw invalidToken(cause)
      }
    },

    signLink: (subject, expiresAt) =>
      new SignJWT()
        .setProtectedHeader({ alg: algorithm, kid })
        .setSubject(subject)
        .setIssuer(issuer)
        .setAudience(linkAudience)
        .setExpirationTime(expiresAt)
        .sign(privateKey),

    async verifyLink(token, subject) {
      await read(token, { audience: linkAudience, requiredClaims: ['exp'], subject }).catch(
        (cause: unknown) => {
          throw Object.assign(unauthenticated('This link is over, or not whole.', 'link_invalid'), { cause })
        },
      )
    },
  }
}

/** Whom another issuer's token names; `jti` is what signing out revokes. */
export interface ForeignIdentity {
  issuer: string
  subject: string
  /** Lower case, proven to be theirs. */
  email: string
  jti: string
  expiresAt: Date
}

export interface ForeignTokens {
  issuer: string
  /** Throws `invalid_token`, `email_not_verified`, or `issuer_unavailable` (retryable) when its keys cannot be read. */
  verify(token: string): Promise<ForeignIdentity>
}

/** Asymmetric only: a shared secret could also sign, and must never be one that is public. */
const foreignAlgorithms = ['RS256', 'ES256', 'EdDSA']

/**
 * JWTs of a Supabase project, checked against its published keys.
 * @see https://supabase.com/docs/guides/auth/jwts
 */
export function createSupabaseTokens(projectUrl: string): ForeignTokens {
  const issuer = `${projectUrl.replace(/\/+$/, '')}/auth/v1`
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
  return {
    issuer,
    async verify(token) {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience: 'authenticated',
        algorithms: foreignAlgorithms,
        requiredClaims: ['sub', 'exp'],
      }).catch((cause: unknown) => {
        throw isUnreachable(cause) ? issuerUnavailable(cause) : invalidToken(cause)
      })
      const { sub: subject = '', exp = 0, jti = signedPartHash(token) } = payload
      const email = verifiedEmail(payload)
      if (email === undefined) throw forbidden('Confirm your email address first.', 'email_not_verified')
      return { issuer, subject, email, jti, expiresAt: new Date(exp * 1000) }
    },
  }
}

/**
 * A person can edit their own user_metadata, so its word counts only because a project that confirms addresses (the
 * default, and required of ours) puts no other address into a token. Anonymous sign-ins have proven nothing.
 */
function verifiedEmail(payload: JWTPayload): string | undefined {
  const { email, email_verified: verified, user_metadata: metadata, is_anonymous: anonymous } = payload
  const inMetadata = (metadata as { email_verified?: unknown } | null | undefined)?.email_verified
  if (typeof email !== 'string' || email === '' || anonymous === true) return undefined
  return (verified ?? inMetadata) === true ? email.trim().toLowerCase() : undefined
}

/** Names a token without an id. Not of the whole token: a signature can be written in more than one way. */
function signedPartHash(token: string): string {
  return createHash('sha256')
    .update(token.slice(0, token.lastIndexOf('.')))
    .digest('hex')
}

/** Not the token's fault: the keys could not be read. A bad answer has jose's generic code, a dead network none. */
function isUnreachable(cause: unknown): boolean {
  return !(cause instanceof errors.JOSEError) || ['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC'].includes(cause.code)
}

const issuerUnavailable = (cause: unknown) =>
  new ServiceError(503, 'issuer_unavailable', 'Signing in is not possible right now. Try again soon.', {
    cause,
    retryable: true,
  })

const invalidToken = (cause: unknown) =>
  Object.assign(unauthenticated('The bearer token is not valid.', 'invalid_token'), { cause })

/** Only to choose a verifier; says nothing about whether the token is good. */
export function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}
