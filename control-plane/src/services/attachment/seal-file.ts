import { createWriteStream } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { invalidInput, ServiceError } from '../../errors.ts'
import { sealStream } from '../../storage/sealed-file.ts'
import type { Store } from '../../storage/store.ts'
import { inWorkingFolder } from '../../storage/working-folder.ts'
import { headBytes } from './detect-type.ts'

/** The same bytes; `read` says how many came so far. */
export async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  read: { bytes: number },
): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    read.bytes += chunk.length
    yield chunk
  }
}

export const fileEmpty = () => invalidInput('The file is empty.', 'file_empty')
export const fileTooLarge = () => new ServiceError(413, 'file_too_large', 'The file is too large.')

/**
 * Puts a file into the store as it comes, sealed from its first byte on disk, and reads no faster than it writes.
 * Resolves with its length and its beginning. Errors: file_too_large, file_empty, and then nothing is stored.
 */
export async function sealFile(input: {
  store: Store
  name: string
  key: Uint8Array
  bytes: AsyncIterable<Uint8Array>
  maxBytes: number
  signal?: AbortSignal | undefined
}): Promise<{ sizeBytes: number; head: Buffer }> {
  const { store, name, key, bytes, maxBytes, signal } = input
  let sizeBytes = 0
  let head: Buffer = Buffer.alloc(0)
  const counted = async function* () {
    for await (const chunk of bytes) {
      sizeBytes += chunk.length
      if (sizeBytes > maxBytes) throw fileTooLarge()
      if (head.length < headBytes) head = Buffer.concat([head, chunk.subarray(0, headBytes - head.length)])
      yield chunk
    }
  }
  return inWorkingFolder(async (folder) => {
    const sealed = path.join(folder, 'file')
    const file = createWriteStream(sealed, { mode: 0o600 })
    await pipeline(counted, sealStream(key), file, signal ? { signal } : {})
    if (sizeBytes === 0) throw fileEmpty()
    await store.put(name, sealed)
    return { sizeBytes, head }
  })
}
