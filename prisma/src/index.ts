import { PrismaPg } from '@prisma/adapter-pg'
import { Prisma, PrismaClient } from '../generated/client.ts'

export type * from '../generated/client.ts'
export * from '../generated/enums.ts'
export { Prisma }

export type Database = PrismaClient
export type Transaction = Prisma.TransactionClient

/** Opens a pool. `maxConnections` bounds it; callers end it with `$disconnect()`. */
export function openDatabase(url: string, maxConnections = 20): Database {
  const pool = { connectionString: url, max: maxConnections }
  return new PrismaClient({ adapter: new PrismaPg(pool, { statementNameGenerator: createNames() }) })
}

/** More are as many plans for each connection to keep; statements whose length depends on input are many. */
const maxNamedStatements = 500

/** A statement with a name is parsed once a connection; the first ones asked get one. */
function createNames(): ({ sql }: { sql: string }) => string {
  const names = new Map<string, string>()
  return ({ sql }) => {
    const name = names.get(sql) ?? (names.size < maxNamedStatements ? `s${names.size}` : '')
    if (name !== '') names.set(sql, name)
    return name
  }
}
