import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Database } from '@yourclaw/db'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import { type ServiceError, tooManyRequests, tooManySearches } from '../../errors.ts'
import type { AuthenticatedEnv } from './authenticate.ts'
import { isSafe } from './session.ts'

/** How much a caller may ask for in a time, over all replicas together. */
export interface Limits {
  /** By address, for whoever is not signed in. */
  strangers: RateLimiterPostgres
  /** Everything a signed-in person changes. */
  writes: RateLimiterPostgres
  /** What costs us much or sends mail. */
  costly: RateLimiterPostgres
  /** A look through the conversation, which the database pays for. */
  searches: RateLimiterPostgres
}

export function createLimits(db: Database): Limits {
  // The store's own words are SQL with numbered parameters: the pool that is there can say them.
  const storeClient = {
    async query({ text, values }: { text: string; values: unknown[] }) {
      const rows = await db.$queryRawUnsafe<{ points: number; expire: bigint }[]>(text, ...values)
      return { rows: rows.map(({ points, expire }) => ({ points, expire: Number(expire) })) }
    },
  }
  const limiter = (keyPrefix: string, points: number, durationSeconds: number) =>
    new RateLimiterPostgres({
      storeClient,
      storeType: 'client',
      tableName: 'rate_limits',
      tableCreated: true,
      keyPrefix,
      points,
      duration: durationSeconds,
      // Who is over the limit costs the database nothing more.
      inMemoryBlockOnConsumed: points + 1,
    })
  return {
    strangers: limiter('stranger', 60, 60),
    writes: limiter('write', 60, 60),
    costly: limiter('costly', 10, 3_600),
    searches: limiter('search', 60, 60),
  }
}

/** Refuses with 429 and Retry-After what comes too often from one address. */
export function limitStrangers({ strangers }: Limits) {
  return createMiddleware(async (c, next) => {
    await take(strangers, hash(clientAddress(c)))
    await next()
  })
}

/** Refuses with 429 and Retry-After what a signed-in person changes too often. */
export function limitWrites({ writes }: Limits) {
  return createMiddleware<AuthenticatedEnv>(async (c, next) => {
    if (!isSafe(c.req.method)) await take(writes, c.get('user').id)
    await next()
  })
}

/** The same, much stricter, for single routes. */
export function limitCostly({ costly }: Limits) {
  return createMiddleware<AuthenticatedEnv>(async (c, next) => {
    if (!isSafe(c.req.method)) await take(costly, `${c.get('user').id}:${c.req.path}`)
    await next()
  })
}

/** Refuses with 429 and Retry-After who searches too often; whatever else is read there is free. */
export function limitSearches({ searches }: Limits) {
  return createMiddleware<AuthenticatedEnv>(async (c, next) => {
    if (isSafe(c.req.method) && c.req.query('q') !== undefined)
      await take(searches, c.get('user').id, tooManySearches)
    await next()
  })
}

async function take(
  limiter: RateLimiterPostgres,
  key: string,
  tooMany: (retryAfterMs: number) => ServiceError = tooManyRequests,
): Promise<void> {
  try {
    await limiter.consume(key)
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) throw tooMany(refusal.msBeforeNext)
    throw refusal
  }
}

/**
 * Whom to count: the peer, or whom a proxy of ours names as its caller. Proxies append, so the last address that is
 * not one of a private network is the one that nobody outside could have written.
 */
function clientAddress(c: Context): string {
  const peer = peerAddress(c)
  if (!isPrivate(peer)) return peer
  const named = (c.req.header('x-forwarded-for') ?? '').split(',').map((address) => address.trim())
  return named.findLast((address) => isIP(address) !== 0 && !isPrivate(address)) ?? peer
}

function peerAddress(c: Context): string {
  try {
    return getConnInfo(c).remote.address ?? ''
  } catch {
    // Called without a socket, as tests do.
    return ''
  }
}

const privateAddress =
  /^(::ffff:)?(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.)|^::1$|^f[cd]|^fe80:|^$/i

const isPrivate = (address: string) => privateAddress.test(address)

/** A household has a whole /64 of IPv6. Addresses are not kept in the clear. */
function hash(address: string): string {
  const network = isIP(address) === 6 ? address.split(':').slice(0, 4).join(':') : address
  return createHash('sha256').update(network).digest('base64url')
}
