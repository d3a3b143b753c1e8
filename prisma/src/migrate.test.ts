import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { builtConcurrently } from './interrupted.ts'
import { deploy } from './migrate.ts'
import { splitMigration } from './split-migration.ts'
import { createTestDatabase, type TestDatabase } from './testing.ts'

const migrations = path.join(import.meta.dirname, '..', 'migrations')

let folder: string
let database: TestDatabase
const clients: pg.Client[] = []
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'yourclaw-migrations-'))
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(async () => {
  await rm(folder, { recursive: true })
  await cp(migrations, folder, { recursive: true })
  database = await createTestDatabase()
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end()
  await database.close()
})

async function add(name: string, sql: string) {
  await mkdir(path.join(folder, name), { recursive: true })
  await writeFile(path.join(folder, name, 'migration.sql'), sql)
}
async function connect() {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  clients.push(client)
  return client
}
const isValid = async (client: pg.Client, index: string) => {
  const { rows } = await client.query<{ indisvalid: boolean }>(
    'SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)',
    [index],
  )
  return rows[0]?.indisvalid
}
const writeUser = (client: pg.Client, email: string) =>
  client.query('INSERT INTO users (email) VALUES ($1)', [email])

const bodies = `-- CreateIndex
CREATE INDEX CONCURRENTLY IF NOT EXISTS "users_by_name" ON "users"("name");`

test('D3: an index that is built concurrently keeps no writer waiting, however many replicas start at once', async () => {
  await add('20990101000000_names', bodies)
  const [slow, other, watch] = [await connect(), await connect(), await connect()]
  await slow.query('BEGIN')
  await writeUser(slow, 'slow@example.test')
  const deploying = [deploy(database.url, folder), deploy(database.url, folder), deploy(database.url, folder)]
  const isWaiting = () =>
    watch.query(`SELECT FROM pg_stat_activity WHERE query LIKE '%CONCURRENTLY%' AND wait_event_type = 'Lock'
      AND pid <> pg_backend_pid()`)
  await expect.poll(async () => (await isWaiting()).rowCount).toBe(1)
  await writeUser(other, 'other@example.test')
  await slow.query('COMMIT')
  expect((await Promise.all(deploying)).flat()).toEqual(['20990101000000_names'])
  expect(await isValid(watch, 'users_by_name')).toBe(true)
})

test('D3: an index that could not be built is removed and built by the next start', async () => {
  const client = await connect()
  await writeUser(client, 'a@example.test')
  await writeUser(client, 'b@example.test')
  await client.query(`UPDATE users SET name = 'same'`)
  await add('20990101000000_names', bodies.replace('CREATE INDEX', 'CREATE UNIQUE INDEX'))
  await expect(deploy(database.url, folder)).rejects.toThrow()
  expect(await isValid(client, 'users_by_name')).toBe(false)
  await expect(deploy(database.url, folder)).rejects.toThrow()
  await client.query(`UPDATE users SET name = email`)
  expect(await deploy(database.url, folder)).toEqual(['20990101000000_names'])
  expect(await isValid(client, 'users_by_name')).toBe(true)
  expect(await deploy(database.url, folder)).toEqual([])
})

test('D3: a migration is applied as a whole or not at all, and tried again when its process is gone', async () => {
  const client = await connect()
  const half = 'CREATE TABLE first (id int);'
  await add('20990101000000_two', `${half}\nCREATE TABLE second (id no_such_type);`)
  await expect(deploy(database.url, folder)).rejects.toThrow()
  expect((await client.query(`SELECT to_regclass('first') AS name`)).rows).toEqual([{ name: null }])
  const sql = `${half}\nCREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 2; END $$;`
  await add('20990101000000_two', sql)
  expect(await deploy(database.url, folder)).toEqual(['20990101000000_two'])
  const applied = `SELECT finished_at IS NOT NULL AS done FROM _prisma_migrations
    WHERE migration_name = '20990101000000_two' AND rolled_back_at IS NULL`
  expect((await client.query(applied)).rows).toEqual([{ done: true }])
  expect(await deploy(database.url, folder)).toEqual([])
})

/** Those before were there before anything was released, and run on empty tables. */
const firstWithRule = '20261126031000'

test('D3: an index on a table that was there before is built concurrently, in a migration of its own', async () => {
  const names = (await readdir(migrations)).filter(
    (name) => name >= firstWithRule && name !== 'migration_lock.toml',
  )
  for (const name of names) {
    const sql = await readFile(path.join(migrations, name, 'migration.sql'), 'utf8')
    const made = new Set(
      [...sql.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?"(\w+)"/gi)].map(([, table]) => table),
    )
    const indexed = [...sql.matchAll(/CREATE (?:UNIQUE )?INDEX [^;]*? ON "(\w+)"/gi)].map(
      ([, table]) => table,
    )
    const isOnOldTable = indexed.some((table) => !made.has(table))
    if (!isOnOldTable) continue
    expect([name, builtConcurrently(sql)]).toEqual([name, expect.any(String)])
    expect(sql.split(';').filter((part) => part.trim() !== '')).toHaveLength(1)
  }
})

test('D3: what is written for a change keeps to that', () => {
  const sql = `-- AlterTable
ALTER TABLE "messages" ADD COLUMN "x" TEXT;

-- CreateTable
CREATE TABLE "things" ("id" INTEGER);

-- CreateIndex
CREATE INDEX "messages_x" ON "messages"("x") WHERE (x IS NOT NULL);

-- CreateIndex
CREATE UNIQUE INDEX "things_id" ON "things"("id");
`
  const [whole, index, ...more] = splitMigration(sql)
  expect([whole?.suffix, index?.suffix, more]).toEqual(['', '_messages_x', []])
  expect(whole?.sql).toContain('things_id')
  expect(whole?.sql).not.toContain('messages_x')
  expect(builtConcurrently(index?.sql ?? '')).toBe('messages_x')
})
