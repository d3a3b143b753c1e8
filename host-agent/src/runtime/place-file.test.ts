import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { placeFile } from './place-file.ts'

async function createWorkspace() {
  const folder = await mkdtemp(join(tmpdir(), 'place-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const workspace = join(folder, 'workspace')
  const outside = join(folder, 'outside')
  await mkdir(workspace)
  await mkdir(outside)
  const place = (path: string, text: string) => placeFile(workspace, path, Readable.from([Buffer.from(text)]))
  return { workspace, outside, place }
}

test('a file is there whole, and replaces one of its name', async () => {
  const { workspace, place } = await createWorkspace()
  await place('inbox/a.txt', 'first')
  await place('inbox/a.txt', 'second')
  expect(await readdir(join(workspace, 'inbox'))).toEqual(['a.txt'])
  expect(await readFile(join(workspace, 'inbox/a.txt'), 'utf8')).toBe('second')
})

test('S1: a path that is none of ours is refused before anything is touched', async () => {
  const { workspace, place } = await createWorkspace()
  for (const path of [
    'a.txt',
    'inbox/../a',
    '/inbox/a',
    'inbox/.a',
    'inbox/a/b',
    'inbox/',
    'inbox/a\n',
    'outbox/a',
  ])
    await expect(place(path, 'x')).rejects.toThrow('not a path of ours')
  expect(await readdir(workspace)).toEqual([])
})

test('S2: a link in the place of a workspace’s folder leads nowhere', async () => {
  const { workspace, outside, place } = await createWorkspace()
  await symlink(outside, join(workspace, 'inbox'))
  await expect(place('inbox/a.txt', 'x')).rejects.toThrow()
  expect(await readdir(outside)).toEqual([])
})

test('S2: a link in the place of a file is replaced, and what it led to is not written', async () => {
  const { workspace, outside, place } = await createWorkspace()
  await mkdir(join(workspace, 'inbox'))
  await writeFile(join(outside, 'target'), 'untouched')
  await symlink(join(outside, 'target'), join(workspace, 'inbox/a.txt'))
  await place('inbox/a.txt', 'x')
  expect(await readFile(join(outside, 'target'), 'utf8')).toBe('untouched')
  expect(await readFile(join(workspace, 'inbox/a.txt'), 'utf8')).toBe('x')
})

test('what breaks off leaves nothing', async () => {
  const { workspace } = await createWorkspace()
  const source = Readable.from(
    (async function* () {
      yield Buffer.from('half')
      throw new Error('cut')
    })(),
  )
  await expect(placeFile(workspace, 'inbox/a.txt', source)).rejects.toThrow('cut')
  expect(await readdir(join(workspace, 'inbox'))).toEqual([])
})

test('S2: what a killed writer left behind goes with the next file, and nothing else does', async () => {
  const { workspace, place } = await createWorkspace()
  await place('inbox/a.txt', 'first')
  const left = `.${crypto.randomUUID()}.part`
  const fresh = `.${crypto.randomUUID()}.part`
  const long = new Date(Date.now() - 2 * 3_600_000)
  for (const name of [left, fresh, '.mine.part', 'b.part'])
    await writeFile(join(workspace, 'inbox', name), 'x')
  for (const name of [left, '.mine.part', 'b.part', 'a.txt'])
    await utimes(join(workspace, 'inbox', name), long, long)
  await place('inbox/c.txt', 'second')
  expect((await readdir(join(workspace, 'inbox'))).sort()).toEqual(
    ['a.txt', 'b.part', 'c.txt', '.mine.part', fresh].sort(),
  )
})
