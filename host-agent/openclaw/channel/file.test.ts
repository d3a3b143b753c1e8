import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { openFile } from './file.ts'

async function workspace() {
  const dir = await mkdtemp(join(tmpdir(), 'channel-file-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const root = join(dir, 'workspace')
  await mkdir(join(root, 'charts'), { recursive: true })
  await writeFile(join(root, 'charts', 'a.png'), 'a chart')
  await writeFile(join(dir, 'secret'), 'a secret')
  return { dir, root }
}

test('M12: a file of the workspace is read whole, by whatever name leads to it within', async () => {
  const { root } = await workspace()
  await symlink('charts', join(root, 'link'))
  for (const path of [
    'charts/a.png',
    './link/a.png',
    join(root, 'charts/a.png'),
    `file://${root}/charts/a.png`,
  ]) {
    await using file = await openFile([root], path)
    expect([file.name, file.bytes]).toEqual(['a.png', 7])
    // As often as it is asked for: an attempt may have to be made again.
    expect((await buffer(file.read())).toString()).toBe('a chart')
    expect((await buffer(file.read())).toString()).toBe('a chart')
  }
})

test('S1: no path leads out of the workspace, and nothing but a file is read', async () => {
  const { dir, root } = await workspace()
  await symlink(join(dir, 'secret'), join(root, 'secret'))
  await symlink(dir, join(root, 'up'))
  await promisify(execFile)('mkfifo', [join(root, 'pipe')])
  await writeFile(join(root, 'empty'), '')
  await writeFile(join(root, 'huge'), '')
  await truncate(join(root, 'huge'), 2 ** 40)
  const refused = async (path: string) =>
    openFile([root], path).then(
      () => 'opened',
      (error: Error) => error.message,
    )
  for (const path of ['secret', 'up/secret', '../secret', '/etc/passwd', 'file:///etc/passwd', '.', '..'])
    expect(await refused(path)).toMatch(/^Only files of the workspace/)
  for (const path of ['https://example.com/a.png', 'data:image/png;base64,AA', 'HTTP://x'])
    expect(await refused(path)).toMatch(/^Only files can be sent/)
  expect(await refused('gone')).toMatch(/^There is no file/)
  expect(await refused('pipe')).toMatch(/is not a file/)
  expect(await refused('charts')).toMatch(/is not a file/)
  expect(await refused('empty')).toMatch(/is empty/)
  expect(await refused('huge')).toMatch(/too large: at most 100 MB/)
})
