import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { run } from './machine.ts'

const collection = fileURLToPath(new URL('../../infra/ansible', import.meta.url))
const lacksLint = (await run('ansible-lint', ['--version'])).status !== 0
if (lacksLint) console.warn('The collection is not linted: ansible-lint is not here (tools/ci/ansible.sh).')

test.skipIf(lacksLint)(
  'ansible-lint finds nothing in the collection, under its strictest profile',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lint-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    // A collection is found by its path, and its roles by its name.
    const place = join(folder, 'ansible_collections/yourclaw')
    await mkdir(place, { recursive: true })
    await symlink(collection, join(place, 'hosts'))
    const env = { ...process.env, ANSIBLE_COLLECTIONS_PATH: folder, LC_ALL: 'C.UTF-8' }
    const { status, output } = await run('ansible-lint', ['--offline', '--nocolor'], {
      cwd: join(place, 'hosts'),
      env,
    })
    expect(output).toContain('0 failure(s), 0 warning(s)')
    expect(status).toBe(0)
  },
  180_000,
)
