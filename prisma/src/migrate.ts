import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm'
import { withSchemaEngine } from './schema-engine.ts'

const schemaPath = path.join(import.meta.dirname, '..', 'schema.prisma')
const migrationsDir = path.join(import.meta.dirname, '..', 'migrations')
const filters = { externalTables: [], externalEnums: [] }

/** Applies what is missing and returns the names. Several processes may do it at once: each migration applies once. */
export function deploy(url: string): Promise<string[]> {
  return withEngine(url, async (engine) => {
    const { appliedMigrationNames } = await engine.applyMigrations({
      migrationsList: await readMigrations(),
      filters,
    })
    return appliedMigrationNames
  })
}

/** The SQL that leads from the migrations to schema.prisma; null when they agree. Needs a database to compare in. */
export function pendingChanges(url: string): Promise<string | null> {
  return withEngine(url, async (engine, schema) => {
    const result = await engine.diff({
      from: { tag: 'migrations', ...(await readMigrations()) },
      to: { tag: 'schemaDatamodel', files: [schema] },
      script: true,
      exitCode: true,
      filters,
    })
    return result.exitCode === 0 ? null : (result.stdout ?? '')
  })
}

/** Writes a new migration with those changes and returns its folder; null when there is nothing to do. */
export async function writeMigration(url: string, name: string, now: Date): Promise<string | null> {
  const sql = await pendingChanges(url)
  if (sql === null) return null
  const stamp = now.toISOString().replace(/\D/g, '').slice(0, 14)
  const folder = path.join(migrationsDir, `${stamp}_${name}`)
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, 'migration.sql'), sql)
  return folder
}

async function withEngine<T>(
  url: string,
  work: (engine: SchemaEngine, schema: { path: string; content: string }) => Promise<T>,
): Promise<T> {
  const schema = { path: schemaPath, content: await readFile(schemaPath, 'utf8') }
  return withSchemaEngine(url, schema, (engine) => work(engine, schema))
}

async function readMigrations(): Promise<MigrationList> {
  const entries = await readdir(migrationsDir, { withFileTypes: true })
  const names = entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort()
  const lock = await readFile(path.join(migrationsDir, 'migration_lock.toml'), 'utf8')
  return {
    baseDir: migrationsDir,
    lockfile: { path: 'migration_lock.toml', content: lock },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(names.map(readMigration)),
  }
}

async function readMigration(name: string) {
  const value = await readFile(path.join(migrationsDir, name, 'migration.sql'), 'utf8')
  return { path: name, migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value } } }
}
