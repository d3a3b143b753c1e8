import { PrismaPg } from '@prisma/adapter-pg'
import { Prisma, PrismaClient } from '../generated/client.ts'

export type * from '../generated/client.ts'
export * from '../generated/enums.ts'
export { Prisma }

export type Database = PrismaClient
export type Transaction = Prisma.TransactionClient

/** Opens a pool. `maxConnections` bounds it; callers end it with `$disconnect()`. */
export function openDatabase(url: string, maxConnections = 20): Database {
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: maxConnections }) })
}
