import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startEmbeddedPostgres } from './embedded.ts'
import { freePort } from './free-port.ts'
import { deploy } from './migrate.ts'
import { administer, templateDatabase } from './testing.ts'

/** vitest globalSetup: one real server for the run, with a migrated template database; the projects share the first. */
export default async function setup(): Promise<() => Promise<void>> {
  if (process.env.TEST_POSTGRES_URL !== undefined) return async () => {}
  const folder = mkdtempSync(path.join(tmpdir(), 'yourclaw-test-'))
  chmodSync(folder, 0o755)
  const server = await startEmbeddedPostgres({
    dataDir: path.join(folder, 'postgres'),
    port: await freePort(),
  })
  await administer(server.url, `CREATE DATABASE ${templateDatabase}`)
  const template = new URL(server.url)
  template.pathname = `/${templateDatabase}`
  await deploy(template.href)
  process.env.TEST_POSTGRES_URL = server.url
  return async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
