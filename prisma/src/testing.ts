import pg from 'pg'
import { type Database, openDatabase } from './index.ts'

export { freePort } from './free-port.ts'

export interface TestDatabase {
  db: Database
  url: string
  close(): Promise<void>
}

/** A migrated, empty database of its own, copied from a template in some 50 ms. Needs testing-setup.ts as globalSetup. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const serverUrl = process.env.TEST_POSTGRES_URL
  if (serverUrl === undefined) throw new Error('TEST_POSTGRES_URL is not set: testing-setup.ts did not run')
  const name = `test_${crypto.randomUUID().replaceAll('-', '')}`
  await administer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${templateDatabase}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const db = openDatabase(url.href)
  return {
    db,
    url: url.href,
    async close() {
      await db.$disconnect()
      await administer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`)
    },
  }
}

/** The tables, of every schema, in which one of these words stands in any column of any row. */
export async function tablesMentioning(db: Database, words: string[]): Promise<string[]> {
  const tables = await db.$queryRaw<{ name: string }[]>`
    SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`
  const found = []
  for (const { name } of tables) {
    const [row] = await db.$queryRawUnsafe<{ hit: boolean }[]>(
      `SELECT EXISTS (SELECT 1 FROM ${name} t, unnest($1::text[]) w WHERE strpos(t::text, w) > 0) AS hit`,
      words,
    )
    if (row?.hit) found.push(name)
  }
  return found.sort()
}

export const templateDatabase = 'yourclaw_template'

export async function administer(serverUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
