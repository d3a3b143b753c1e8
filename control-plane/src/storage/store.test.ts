import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'
import { type Sandbox, startSandbox } from '@yourclaw/sandbox'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStore } from './open-store.ts'
import { readSealed, sealStream } from './sealed-file.ts'
import { type Store, StoredFileMissing } from './store.ts'
import { removeAbandonedFolders } from './working-folder.ts'

let sandbox: Sandbox
let folder: string
let stores: Record<string, Store>
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  folder = await mkdtemp(path.join(tmpdir(), 'yourclaw-store-'))
  const credentials = { accessKeyId: 'id', secretAccessKey: 'secret' }
  const s3 = `s3://bucket/prefix?region=eu-central-1&endpoint=${encodeURIComponent(`${sandbox.url}/s3`)}`
  stores = {
    file: openStore(pathToFileURL(path.join(folder, 'store')).href, credentials),
    s3: openStore(s3, credentials),
  }
})
afterAll(async () => {
  await sandbox.stop()
  await rm(folder, { recursive: true })
})

const storeOf = (name: string) => stores[name] as Store

async function fileOf(content: Buffer | string): Promise<string> {
  const file = path.join(folder, randomBytes(8).toString('hex'))
  await writeFile(file, content)
  return file
}

test.each(['file', 's3'])('%s: a file is kept whole, replaced, listed and gone', async (name) => {
  const store = storeOf(name)
  expect(await store.list('exports/')).toEqual([])
  const large = randomBytes(3_000_000)
  await store.put('exports/a', await fileOf('first'))
  await store.put('exports/a', await fileOf(large))
  await store.put('operations/b', await fileOf(''))
  expect((await buffer(await store.get('exports/a'))).equals(large)).toBe(true)
  expect(await buffer(await store.get('operations/b'))).toHaveLength(0)
  expect(await store.list('exports/')).toEqual(['exports/a'])
  expect((await store.list('')).sort()).toEqual(['exports/a', 'operations/b'])
  for (const _ of ['once', 'again']) await store.delete('exports/a')
  await expect(store.get('exports/a')).rejects.toBeInstanceOf(StoredFileMissing)
  expect(await store.list('exports/')).toEqual([])
})

test('more files than S3 lists at once are all listed', async () => {
  const store = storeOf('s3')
  const file = await fileOf('x')
  const names = Array.from({ length: 1_005 }, (_, at) => `many/${String(at).padStart(5, '0')}`)
  for (let at = 0; at < names.length; at += 50)
    await Promise.all(names.slice(at, at + 50).map((name) => store.put(name, file)))
  expect(await store.list('many/')).toEqual(names)
})

test('what S3 refuses is an error that says nothing of the key', async () => {
  await fetch(`${sandbox.url}/sim/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ provider: 's3', status: 503, count: 1 }),
  })
  await expect(storeOf('s3').get('exports/a')).rejects.toThrow('S3 answered 503 to GET')
})

test('S1: a name that would leave the folder is refused', async () => {
  const file = await fileOf('x')
  for (const name of ['../x', 'exports/../../x', '/etc/x', 'exports//x', '.x']) {
    await expect(storeOf('file').put(name, file)).rejects.toThrow('not a name of ours')
  }
})

test.each([0, 1, 15, 16, 17, 100_000])(
  'S7: %s sealed bytes come back, and not one when the file was touched',
  async (length) => {
    const store = storeOf('file')
    const [key, content] = [randomBytes(32), randomBytes(length)]
    const sealed = path.join(folder, `sealed-${length}`)
    await pipeline(createReadStream(await fileOf(content)), sealStream(key), createWriteStream(sealed))
    await store.put('exports/sealed', sealed)
    expect((await buffer(await readSealed(store, 'exports/sealed', key))).equals(content)).toBe(true)
    await expect(buffer(await readSealed(store, 'exports/sealed', randomBytes(32)))).rejects.toThrow()

    const bytes = await readFile(sealed)
    const cut = bytes.subarray(0, bytes.length - 1)
    const flipped = Buffer.from(bytes)
    flipped[bytes.length >> 1] = (flipped[bytes.length >> 1] ?? 0) ^ 1
    for (const touched of [cut, flipped, bytes.subarray(0, 5)]) {
      await store.put('exports/sealed', await fileOf(touched))
      await expect(buffer(await readSealed(store, 'exports/sealed', key))).rejects.toThrow()
    }
    expect(
      (await readdir(path.join(folder, 'store', 'exports'))).filter((name) => name.endsWith('.part')),
    ).toEqual([])
  },
)

test('D1: what a killed process left half-written is removed, what is being written and what is whole are not', async () => {
  const store = storeOf('file')
  await store.put('half/whole', await fileOf('x'))
  const inside = path.join(folder, 'store', 'half')
  const before = new Date(Date.now() - 60_000)
  for (const name of ['old.part', 'new.part']) await writeFile(path.join(inside, name), 'x')
  for (const name of ['old.part', 'whole']) await utimes(path.join(inside, name), 1, 1)
  await store.removeUnfinished(before)
  expect((await readdir(inside)).sort()).toEqual(['new.part', 'whole'])

  const temporary = path.join(folder, 'tmp')
  const names = ['yourclaw-work-old', 'yourclaw-work-new', 'of-others']
  for (const name of names) await mkdir(path.join(temporary, name, 'more'), { recursive: true })
  for (const name of ['yourclaw-work-old', 'of-others']) await utimes(path.join(temporary, name), 1, 1)
  await removeAbandonedFolders(Date.now(), temporary)
  expect((await readdir(temporary)).sort()).toEqual(['of-others', 'yourclaw-work-new'])
})
