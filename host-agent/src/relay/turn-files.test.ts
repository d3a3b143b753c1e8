import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createTurnFiles } from './turn-files.ts'

async function open() {
  const dir = await mkdtemp(join(tmpdir(), 'turn-files-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  return { dir, files: createTurnFiles(dir, () => {}) }
}
const file = (path: string) => ({ path, mimeType: 'text/plain', sizeBytes: 4n })

test('M11: files of a turn that was stopped leave nothing, however late their bytes come', async () => {
  const { dir, files } = await open()
  // All at once, as a stream says them.
  const said = [files.begin(file('inbox/a')), files.write(Buffer.from('text')), files.begin(file('inbox/b'))]
  await Promise.all([...said, files.discard()])
  await files.begin(file('inbox/c'))
  await files.write(Buffer.from('text'))
  expect(await readdir(dir)).toEqual([])
})

test('M11: a stop waits for no file that is on its way into the workspace', async () => {
  const { files } = await open()
  for (const path of ['inbox/a', 'inbox/b']) {
    await files.begin(file(path))
    await files.write(Buffer.from('text'))
  }
  const stop = new AbortController()
  const placed: string[] = []
  const handed = files.handOver((path) => {
    placed.push(path)
    stop.abort(new Error('stopped'))
    return new Promise(() => {})
  }, stop.signal)
  await expect(handed).rejects.toThrow('stopped')
  expect(placed).toEqual(['inbox/a'])
  await files.discard()
})

test('M9: what could not be placed is missing, and the turn goes on', async () => {
  const { files } = await open()
  for (const path of ['inbox/a', '', 'inbox/c']) {
    await files.begin(file(path))
    await files.write(Buffer.from('text'))
  }
  const place = async (path: string) => {
    if (path === 'inbox/a') throw new Error('no room')
  }
  const { images, missing } = await files.handOver(place, AbortSignal.timeout(10_000))
  expect([images, missing]).toEqual([['data:text/plain;base64,dGV4dA=='], ['inbox/a']])
  await files.discard()
})
