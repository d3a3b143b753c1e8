import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlDriverAdapter,
} from '@prisma/driver-adapter-utils'
import type { SchemaEngine } from '@prisma/schema-engine-wasm'
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg'
import type pg from 'pg'
import { builtConcurrently } from './interrupted.ts'

/** The WebAssembly build of Prisma's schema engine: migrations without a native binary to download. */
export async function withSchemaEngine<T>(
  url: string,
  schema: { path: string; content: string },
  work: (engine: SchemaEngine) => Promise<T>,
): Promise<T> {
  process[instantiated] ??= instantiate()
  await process[instantiated]
  const pools = new MigrationPg(connectionOf(url))
  const factory = bindMigrationAwareSqlAdapterFactory(pools)
  const engine = await bindings.SchemaEngine.new(
    { datamodels: [[schema.path, schema.content]] },
    () => {},
    factory,
  )
  try {
    return await work(engine)
  } finally {
    engine.free()
    await pools.close()
  }
}

/** The part of the WebAssembly API used here; Node's types leave it out. */
declare const WebAssembly: {
  instantiate(
    module: Uint8Array,
    imports: object,
  ): Promise<{ instance: { exports: Record<string, unknown> } }>
}

/**
 * The generated glue keeps one instance in a global: a second one would break the first. Kept on the process, because
 * test runners load this module more than once and the glue only once.
 */
const instantiated = Symbol.for('yourclaw.schema-engine')
declare global {
  namespace NodeJS {
    interface Process {
      [instantiated]?: Promise<void>
    }
  }
}

async function instantiate(): Promise<void> {
  const require = createRequire(import.meta.url)
  const folder = path.dirname(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg'))
  const glue = bindings as typeof bindings & { __wbg_set_wasm(exports: object): void }
  Object.assign(globalThis, {
    PRISMA_WASM_PANIC_REGISTRY: { set_message: (text: string) => console.error(text) },
  })
  const { instance } = await WebAssembly.instantiate(
    await readFile(path.join(folder, 'schema_engine_bg.wasm')),
    {
      './schema_engine_bg.js': glue, // the generated glue is the import object
    },
  )
  glue.__wbg_set_wasm(instance.exports)
  const start = instance.exports.__wbindgen_start as () => void
  start()
}

type Connection = { host: string; port: number; user: string; password: string; database: string }

/** Separate fields, because a connection string would override the shadow database's name. */
function connectionOf(url: string): Connection {
  const { hostname, port, username, password, pathname } = new URL(url)
  return {
    host: hostname,
    port: Number(port || 5432),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)),
  }
}

class MigrationPg extends PrismaPg {
  readonly #connection: Connection
  readonly #opened: SqlDriverAdapter[] = []

  constructor(connection: Connection) {
    super(connection)
    this.#connection = connection
  }

  /** Ends the connections, which the engine leaves open. */
  async close(): Promise<void> {
    await Promise.all(this.#opened.map((adapter) => adapter.dispose()))
  }

  override async connect() {
    const adapter = asWholeScripts(acceptCharColumns(await super.connect()))
    this.#opened.push(adapter)
    return adapter
  }

  /** The stock adapter drops the shadow database while its own pool is still connected, which PostgreSQL refuses. */
  override async connectToShadowDb() {
    const database = `shadow_${crypto.randomUUID().replaceAll('-', '')}`
    const admin = await super.connect()
    await admin.executeScript(`CREATE DATABASE "${database}"`)
    const shadow = await new PrismaPg({ ...this.#connection, database }).connect()
    const dispose = shadow.dispose.bind(shadow)
    shadow.dispose = async () => {
      await dispose()
      await admin.executeScript(`DROP DATABASE "${database}" WITH (FORCE)`)
      await admin.dispose()
    }
    return acceptCharColumns(shadow)
  }
}

const internalCharOid = 18
const textOid = 25

/** The engine's catalog queries return PostgreSQL's internal "char" type, which the adapter does not know. */
function acceptCharColumns<T extends SqlDriverAdapter & { underlyingDriver(): pg.Pool }>(adapter: T): T {
  const pool = adapter.underlyingDriver()
  const charColumns = new WeakMap<object, number[]>()
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<pg.QueryArrayResult>
  const patchedQuery = async (...args: unknown[]) => {
    const result = await query(...args)
    const columns = (result.fields ?? []).flatMap((field, i) =>
      field.dataTypeID === internalCharOid ? [i] : [],
    )
    for (const field of result.fields ?? [])
      if (field.dataTypeID === internalCharOid) field.dataTypeID = textOid
    if (columns.length > 0) charColumns.set(result.rows, columns)
    return result
  }
  Object.assign(pool, { query: patchedQuery })
  const queryRaw = adapter.queryRaw.bind(adapter)
  adapter.queryRaw = async (params) => {
    const result = await queryRaw(params)
    for (const i of charColumns.get(result.rows) ?? []) result.columnTypes[i] = ColumnTypeEnum.Character
    return result
  }
  return adapter
}

/**
 * The stock adapter cuts a script at its semicolons and commits each piece. Sent as one, a script is one transaction,
 * and what is written of it as well: a process that is killed leaves all of a migration or nothing. One that builds an
 * index concurrently is a single statement, which PostgreSQL takes outside a transaction alone.
 */
function asWholeScripts<T extends SqlDriverAdapter & { underlyingDriver(): pg.Pool }>(adapter: T): T {
  const pool = adapter.underlyingDriver()
  adapter.executeScript = async (script) => {
    const checksum = createHash('sha256').update(script).digest('hex')
    const isMigration = builtConcurrently(script) === undefined && (await isBegun(pool, checksum))
    const done = `;UPDATE _prisma_migrations SET finished_at = now() WHERE checksum = '${checksum}'
      AND finished_at IS NULL AND rolled_back_at IS NULL`
    await pool.query(isMigration ? `${script}\n${done}` : script)
  }
  return adapter
}

async function isBegun(pool: pg.Pool, checksum: string): Promise<boolean> {
  const { rows } = await pool.query(`SELECT to_regclass('_prisma_migrations') AS name`)
  if (rows[0]?.name === null) return false
  const begun = await pool.query(
    'SELECT FROM _prisma_migrations WHERE checksum = $1 AND finished_at IS NULL AND rolled_back_at IS NULL',
    [checksum],
  )
  return begun.rowCount === 1
}
