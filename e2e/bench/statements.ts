import pg from 'pg'

/** What PostgreSQL was asked, by statement. */
export interface Statement {
  query: string
  calls: number
  /** Milliseconds inside PostgreSQL, all calls together. */
  totalMs: number
}

/** Lets the server count statements from its next start on. */
export async function countStatements(databaseUrl: string): Promise<void> {
  await ask(databaseUrl, "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
  await ask(databaseUrl, 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements')
}

/** Since the last call; the most frequent first. */
export async function takeStatements(databaseUrl: string): Promise<Statement[]> {
  const rows = await ask(
    databaseUrl,
    `SELECT query, calls::int, total_exec_time AS "totalMs" FROM pg_stat_statements
    WHERE query !~ 'pg_stat_statements' ORDER BY calls DESC`,
  )
  await ask(databaseUrl, 'SELECT pg_stat_statements_reset()')
  return rows as Statement[]
}

async function ask(databaseUrl: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}
