import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Ctx } from '../../context.ts'
import { invalidInput, notFound } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import { sealStream } from '../../storage/sealed-file.ts'
import type { Store } from '../../storage/store.ts'
import { inWorkingFolder } from '../../storage/working-folder.ts'
import { storedArchive } from './stored-archive.ts'

/** More than a tenant's disk is allowed to hold: a host that sends more is not trusted further. */
const maxBytes = 20 * 1024 ** 3

/** The pieces of a file as they come, and at the end what they must have added up to. */
export interface Incoming {
  chunks: AsyncIterable<Uint8Array>
  /** Known once `chunks` has ended. */
  expected(): { bytes: bigint; sha256: string }
}

/**
 * Puts what a host hands over into the store, sealed from its first byte on disk. Reads no faster than it writes.
 * Throws archive_damaged, and then stores nothing.
 */
export async function storeArchive({
  ctx,
  vault,
  store,
  input,
}: {
  ctx: Ctx
  vault: Vault
  store: Store
  input: { operationId: string; incoming: Incoming; signal: AbortSignal }
}): Promise<{ sizeBytes: bigint }> {
  const { operationId, incoming, signal } = input
  const operation = await ctx.db.hostOperation.findUnique({ where: { id: operationId } })
  if (!operation) throw notFound('There is no such operation.', 'operation_unknown')
  const key = Buffer.from(await vault.open(operation.keyEncrypted), 'base64')
  return inWorkingFolder(async (folder) => {
    const file = path.join(folder, 'archive')
    const digest = createHash('sha256')
    let bytes = 0
    const counted = async function* () {
      for await (const chunk of incoming.chunks) {
        bytes += chunk.length
        if (bytes > maxBytes) throw damaged()
        digest.update(chunk)
        yield chunk
      }
    }
    await pipeline(counted, sealStream(key), createWriteStream(file, { mode: 0o600 }), { signal })
    const expected = incoming.expected()
    if (expected.bytes !== BigInt(bytes) || expected.sha256 !== digest.digest('hex')) throw damaged()
    await store.put(storedArchive(operationId), file)
    return { sizeBytes: BigInt(bytes) }
  })
}

const damaged = () => invalidInput('What came is not what was sent.', 'archive_damaged')
