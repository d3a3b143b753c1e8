import type { Socket } from 'node:net'
import pg from 'pg'
import type { Prisma } from '../generated/client.ts'
import { createStatementNames } from './statement-names.ts'

/** Plain connections, for what happens in every turn: no query compiler, and statements that travel together. */
export interface Pool {
  query<Row>(sql: Prisma.Sql): Promise<Row[]>
  /** Runs `work` in one transaction; a failure of it changes nothing. */
  transaction<T>(work: (tx: PoolTransaction) => Promise<T>): Promise<T>
  /** For libraries that bring a statement of their own. */
  executeSql: ExecuteSql
  /** Whether one of these connections is the server's process of that number. */
  isOwn(processId: number): boolean
  close(): Promise<void>
}

export interface PoolTransaction {
  /** Asked without waiting for the one before, statements reach the server in one go; they run in the order asked. */
  query<Row>(sql: Prisma.Sql): Promise<Row[]>
  /** The transaction's last statement, on its way together with the commit; resolves once both are done. */
  last<Row>(sql: Prisma.Sql): Promise<Row[]>
  executeSql: ExecuteSql
}

type ExecuteSql = (text: string, values?: unknown[]) => Promise<{ rows: never[] }>

/** What waits longer than this for the server, or lets it wait within a transaction, is given up. */
const patienceMs = 20_000

/**
 * A statement here touches a few rows that it finds by key, and is planned once for the life of its connection: maybe
 * while a table is small, when a scan of it looks cheap. So no plan scans a table, joins two by scanning them, or is made
 * anew for each call.
 */
const planSettings = [
  'plan_cache_mode=force_generic_plan',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'jit=off',
]
  .map((setting) => `-c ${setting}`)
  .join(' ')

export function openPool(url: string, maxConnections = 8): Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    pipeline: true,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    query_timeout: patienceMs,
    idle_in_transaction_session_timeout: patienceMs,
    types: { getTypeParser },
    options: planSettings,
  })
  pool.on('error', () => {}) // An idle connection broke: the next caller gets another one.
  const own = new Map<pg.ClientBase, number>()
  pool.on('connect', (client) => own.set(client, processIdOf(client)))
  pool.on('remove', (client) => own.delete(client))
  const nameOf = createStatementNames()
  const ask = <Row extends pg.QueryResultRow>(
    client: pg.Pool | pg.ClientBase,
    text: string,
    values: unknown[],
  ) => client.query<Row>({ name: nameOf(text), text, values })

  async function transaction<T>(work: (tx: PoolTransaction) => Promise<T>): Promise<T> {
    const client = await pool.connect()
    // Whatever runs on the connection fails with the same error; unheard, it would end the process.
    const onError = () => {}
    client.on('error', onError)
    let sound = false
    let over = false
    const end = async (word: 'COMMIT' | 'ROLLBACK') => {
      over = true
      await client.query(word)
      sound = true
    }
    /** Somebody else may have the connection by then. */
    const within = <Row extends pg.QueryResultRow>(text: string, values: unknown[]) => {
      if (over) throw new Error('the transaction is over')
      gather(client)
      return ask<Row>(client, text, values)
    }
    const query = async <Row>({ text, values }: Prisma.Sql) => (await within(text, values)).rows as Row[]
    try {
      // Not waited for: when it fails, so does everything after it.
      gather(client)
      client.query('BEGIN').catch(onError)
      const result = await work({
        query,
        async last(sql) {
          if (over) throw new Error('the transaction is over')
          // After a statement that failed, COMMIT means ROLLBACK.
          const [rows, ended] = await Promise.allSettled([query<never>(sql), end('COMMIT')])
          if (rows.status === 'rejected') throw rows.reason
          if (ended.status === 'rejected') throw ended.reason
          return rows.value
        },
        executeSql: async (text, values = []) => within<never>(text, values),
      })
      if (!over) await end('COMMIT')
      return result
    } catch (error) {
      if (!over) await end('ROLLBACK').catch(onError)
      throw error
    } finally {
      client.off('error', onError)
      client.release(!sound)
    }
  }

  return {
    query: async <Row>({ text, values }: Prisma.Sql) => (await ask(pool, text, values)).rows as Row[],
    transaction,
    executeSql: (text, values = []) => ask(pool, text, values),
    isOwn: (processId) => [...own.values()].includes(processId),
    close: () => pool.end(),
  }
}

/** As Prisma reads them: a bigint stays one. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') =>
  oid === pg.types.builtins.INT8 ? BigInt : pg.types.getTypeParser(oid, format as 'text')

/** What is asked in one go leaves in one go: every write to a socket costs more than what it says. */
function gather(client: pg.ClientBase): void {
  const stream = streamOf(client)
  if (stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

/** @types/pg leaves it out, as it does the next one. */
export const streamOf = (client: pg.ClientBase) =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream

const processIdOf = (client: pg.ClientBase) => (client as unknown as { processID: number }).processID
