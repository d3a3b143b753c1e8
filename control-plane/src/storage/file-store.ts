import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Store, StoredFileMissing } from './store.ts'

/** A folder. What is being written has a name of its own until it is whole. */
export function createFileStore(url: string): Store {
  const root = fileURLToPath(url)
  const at = (name: string) => path.join(root, ...partsOf(name))
  return {
    async put(name, sourceFile) {
      const target = at(name)
      await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
      const unfinished = `${target}.${randomUUID()}${unfinishedSuffix}`
      try {
        await copyFile(sourceFile, unfinished)
        const file = await open(unfinished, 'r+')
        await file.sync().finally(() => file.close())
        await rename(unfinished, target)
      } finally {
        await rm(unfinished, { force: true })
      }
    },
    async get(name) {
      const file = await open(at(name)).catch((error: unknown) => {
        throw isMissing(error) ? new StoredFileMissing(name) : error
      })
      return createReadStream('', { fd: file })
    },
    delete: (name) => rm(at(name), { force: true }),
    async list(prefix) {
      return (await filesBelow(root))
        .filter((file) => !file.endsWith(unfinishedSuffix))
        .map((file) => path.relative(root, file).split(path.sep).join('/'))
        .filter((name) => name.startsWith(prefix))
    },
    async removeUnfinished(before) {
      for (const file of await filesBelow(root)) {
        if (!file.endsWith(unfinishedSuffix)) continue
        const { mtimeMs } = await lstat(file).catch(goneBy(before))
        if (mtimeMs < before.getTime()) await rm(file, { force: true })
      }
    },
  }
}

async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw error
  })
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
}

/** It was finished meanwhile. */
const goneBy = (before: Date) => (error: unknown) => {
  if (isMissing(error)) return { mtimeMs: before.getTime() }
  throw error
}

const unfinishedSuffix = '.part'

/** Names are made by us; one that could leave the folder is a mistake of ours. */
function partsOf(name: string): string[] {
  const parts = name.split('/')
  if (!parts.every((part) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(part))) throw new Error('not a name of ours')
  return parts
}

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT'
