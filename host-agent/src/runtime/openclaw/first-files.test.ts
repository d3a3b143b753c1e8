import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { writeFirstFiles } from './first-files.ts'

test('M13, S2: an assistant’s first files are written where there is nothing, never over a person’s own or through a link', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'first-files-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  await writeFile(join(dir, 'USER.md'), 'They are called Ada.')
  await symlink(join(dir, 'elsewhere'), join(dir, 'IDENTITY.md'))
  await writeFirstFiles(dir)
  await writeFirstFiles(dir)
  expect(await readFile(join(dir, 'USER.md'), 'utf8')).toBe('They are called Ada.')
  expect(await readFile(join(dir, 'AGENTS.md'), 'utf8')).toContain('Be brief')
  expect((await readdir(dir)).toSorted()).toEqual(['AGENTS.md', 'IDENTITY.md', 'USER.md'])
})
