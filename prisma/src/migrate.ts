import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm'
import { deployAlone } from './deploy-lock.ts'
import { forgetInterrupted } from './interrupted.ts'
import { withSchemaEngine } from './schema-engine.ts'
import { splitMigration } from './split-migration.ts'

const schemaPath = path.join(import.meta.dirname, '..', 'schema.prisma')
const migrationsDir = path.join(import.meta.dirname, '..', 'migrations')
const filters = { externalTables: [], externalEnums: [] }

/**
 * Applies what is missing and returns the names. Several processes may do it at once, and be killed meanwhile: each
 * migration applies once and as a whole. One that builds an index concurrently keeps nobody from writing (D3).
 */
export async function deploy(url: string, folder = migrationsDir): Promise<string[]> {
  const migrationsList = await readMigrations(folder)
  const scripts = migrationsList.migrationDirectories.map(({ path: name, migrationFile: { content } }) => ({
    name,
    sql: content.tag === 'ok' ? content.value : '',
  }))
  const apply = () =>
    withEngine(url, async (engine) => {
      const { appliedMigrationNames } = await engine.applyMigrations({ migrationsList, filters })
      return appliedMigrationNames
    })
  return deployAlone(url, (client) => forgetInterrupted(client, scripts), apply)
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

/** Writes new migrations with those changes and returns their folders. */
export async function writeMigrations(url: string, name: string, now: Date): Promise<string[]> {
  const sql = await pendingChanges(url)
  const folders: string[] = []
  for (const [index, part] of splitMigration(sql ?? '').entries()) {
    // A second later each, so that they are applied in this order.
    const stamp = new Date(now.getTime() + index * 1_000).toISOString().replace(/\D/g, '').slice(0, 14)
    const folder = path.join(migrationsDir, `${stamp}_${name}${part.suffix}`)
    await mkdir(folder, { recursive: true })
    await writeFile(path.join(folder, 'migration.sql'), part.sql)
    folders.push(folder)
  }
  return folders
}

async function withEngine<T>(
  url: string,
  work: (engine: SchemaEngine, schema: { path: string; content: string }) => Promise<T>,
): Promise<T> {
  const schema = { path: schemaPath, content: await readFile(schemaPath, 'utf8') }
  return withSchemaEngine(url, schema, (engine) => work(engine, schema))
}

async function readMigrations(folder = migrationsDir): Promise<MigrationList> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort()
  const lock = await readFile(path.join(folder, 'migration_lock.toml'), 'utf8')
  return {
    baseDir: folder,
    lockfile: { path: 'migration_lock.toml', content: lock },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(names.map((name) => readMigration(folder, name))),
  }
}

async function readMigration(folder: string, name: string) {
  const value = await readFile(path.join(folder, name, 'migration.sql'), 'utf8')
  return { path: name, migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value } } }
}
