import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { Prisma, PrismaClient } from '../generated/client.ts'
import { streamOf } from './pool.ts'
import { createStatementNames } from './statement-names.ts'

export type * from '../generated/client.ts'
export * from '../generated/enums.ts'
export { openPool, type Pool, type PoolTransaction } from './pool.ts'
export { Prisma }

export type Database = PrismaClient
export type Transaction = Prisma.TransactionClient

/** A frozen process holds what it locked for as long. */
const heldMs = 60_000
/** A server that says nothing for longer than anybody waits for a lock is gone, whatever TCP knows of it. */
const silenceMs = heldMs + 15_000

/**
 * Opens a pool. `maxConnections` bounds it; callers end it with `$disconnect()`. A connection on which nothing moves for
 * `silentMs` is given up, with the statement that waits on it.
 */
export function openDatabase(url: string, maxConnections = 20, silentMs = silenceMs): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: silentMs,
    idle_in_transaction_session_timeout: heldMs,
    // The server ends what would be given up here, so that nothing is written that nobody waits for.
    statement_timeout: Math.floor(silentMs * 0.9),
  })
  pool.on('connect', (client) => {
    const stream = streamOf(client)
    stream.setTimeout(silentMs, () => stream.destroy(new Error('the database says nothing any more')))
  })
  const nameOf = createStatementNames()
  const adapter = new PrismaPg(pool, {
    statementNameGenerator: ({ sql }) => nameOf(sql),
    disposeExternalPool: true,
  })
  return new PrismaClient({ adapter })
}
