import { createHash } from 'node:crypto'
import { lstat, mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { archiveFolders, restoreFolders } from './archive.ts'

async function start() {
  const dir = await mkdtemp(join(tmpdir(), 'archive-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const root = join(dir, 'u1')
  const home = join(root, 'config', '.openclaw')
  await mkdir(home, { recursive: true })
  await mkdir(join(root, 'workspace'))
  await writeFile(join(root, 'workspace', 'notes.md'), 'hello')
  return { dir, root, home, file: join(dir, 'archives', 'u1.tar.gz') }
}
const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

test('D1: an archive holds memory and workspace as of one moment, is named by its sum, and comes back whole', async () => {
  const { root, home, file } = await start()
  const path = join(home, 'memory.sqlite')
  const open = new DatabaseSync(path)
  open.exec('PRAGMA journal_mode = WAL; CREATE TABLE facts (fact TEXT); INSERT INTO facts VALUES (1)')
  await writeFile(join(home, 'openclaw.json'), '"token"')
  await symlink('/etc/passwd', join(root, 'workspace', 'link'))
  const { bytes, sha256 } = await archiveFolders(root, file)
  const archived = await readFile(file)
  expect([bytes, sha256]).toEqual([archived.length, createHash('sha256').update(archived).digest('hex')])
  open.exec('INSERT INTO facts VALUES (2)')
  open.close()
  await writeFile(join(root, 'workspace', 'later'), '')

  await restoreFolders(root, file, sha256)
  const database = new DatabaseSync(path)
  onTestFinished(() => database.close())
  expect(database.prepare('SELECT count(*) AS count FROM facts').get()).toEqual({ count: 1 })
  expect(await readFile(join(root, 'workspace', 'notes.md'), 'utf8')).toBe('hello')
  expect(await readlink(join(root, 'workspace', 'link'))).toBe('/etc/passwd')
  expect(await exists(join(root, 'workspace', 'later'))).toBe(false)
  // The tokens of the gateway are not of the person's.
  expect(await exists(join(home, 'openclaw.json'))).toBe(false)
})

test('D2: a damaged archive is refused before anything is touched, and what is not there is not archived', async () => {
  const { dir, root, file } = await start()
  const { sha256 } = await archiveFolders(root, file)
  await writeFile(file, 'x', { flag: 'a' })
  await expect(restoreFolders(root, file, sha256)).rejects.toMatchObject({ code: 'archive_damaged' })
  expect(await readFile(join(root, 'workspace', 'notes.md'), 'utf8')).toBe('hello')
  await expect(archiveFolders(join(dir, 'u2'), file)).rejects.toMatchObject({ code: 'no_state' })
})

test.skipIf(process.getuid?.() !== 0)(
  'S2: an archive gives nobody more than the rights it is unpacked with',
  async () => {
    const { dir, root, file } = await start()
    const secret = join(dir, 'secret')
    await writeFile(secret, 'untouched', { mode: 0o600 })
    await writeFile(join(root, 'workspace', 'tool'), '', { mode: 0o4755 })
    const { sha256 } = await archiveFolders(root, file)
    await restoreFolders(root, file, sha256, { uid: 1000, gid: 1000 })
    expect(await lstat(join(root, 'workspace', 'tool'))).toMatchObject({ uid: 1000, gid: 1000 })
    expect(await readFile(secret, 'utf8')).toBe('untouched')
  },
)
