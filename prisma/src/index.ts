import { PrismaPg } from '@prisma/adapter-pg'
import { Prisma, PrismaClient } from '../generated/client.ts'
import { createStatementNames } from './statement-names.ts'

export type * from '../generated/client.ts'
export * from '../generated/enums.ts'
export { openPool, type Pool, type PoolTransaction } from './pool.ts'
export { Prisma }

export type Database = PrismaClient
export type Transaction = Prisma.TransactionClient

/** Opens a pool. `maxConnections` bounds it; callers end it with `$disconnect()`. */
export function openDatabase(url: string, maxConnections = 20): Database {
  const pool = {
    connectionString: url,
    max: maxConnections,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // What a frozen process holds locked is free again after that.
    idle_in_transaction_session_timeout: 60_000,
  }
  const nameOf = createStatementNames()
  return new PrismaClient({
    adapter: new PrismaPg(pool, { statementNameGenerator: ({ sql }) => nameOf(sql) }),
  })
}
