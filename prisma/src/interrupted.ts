import pg from 'pg'

export interface Script {
  name: string
  sql: string
}

const concurrent = /^\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?"?(\w+)"?/i

/** Without comments: what PostgreSQL is asked to do. */
const statementsOf = (sql: string) => sql.replaceAll(/^\s*--.*$/gm, '').trim()

/** The index that a script builds beside its table's writers; such a script is one statement, and in no transaction. */
export const builtConcurrently = (sql: string) => concurrent.exec(statementsOf(sql))?.[1]

/**
 * Makes ready for another try what a deployment left unfinished. A script runs as one transaction here, so nothing of it
 * was applied, unless an older release left it half applied: then the try fails, and an operator ends it (operations.md).
 * An index that was built concurrently may be there and not valid, and is removed without locking anybody out.
 */
export async function forgetInterrupted(client: pg.Client, scripts: readonly Script[]): Promise<void> {
  const { rows: tables } = await client.query(`SELECT to_regclass('_prisma_migrations') AS name`)
  if (tables[0]?.name === null) return
  const open = 'finished_at IS NULL AND rolled_back_at IS NULL'
  const { rows } = await client.query<{ name: string }>(
    `SELECT migration_name AS name FROM _prisma_migrations WHERE ${open}`,
  )
  for (const { name } of rows) {
    const index = builtConcurrently(scripts.find((script) => script.name === name)?.sql ?? '')
    if (index !== undefined && (await isInvalid(client, index)))
      await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${pg.escapeIdentifier(index)}`)
    await client.query(
      `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = $1 AND ${open}`,
      [name],
    )
  }
}

async function isInvalid(client: pg.Client, index: string): Promise<boolean> {
  const { rowCount } = await client.query(
    'SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid',
    [pg.escapeIdentifier(index)],
  )
  return rowCount === 1
}
