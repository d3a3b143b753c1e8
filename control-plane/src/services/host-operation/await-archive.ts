import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Ctx } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import { readStored } from '../../storage/sealed-file.ts'
import type { Store } from '../../storage/store.ts'
import { storedArchive } from './stored-archive.ts'

const lookMs = 500

/** Waits until the host handed an archive over. Throws the host's own code, or host_away at the deadline. */
export async function awaitArchive({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { operationId: string; signal: AbortSignal }
}): Promise<void> {
  const { operationId: id, signal } = input
  for (;;) {
    const operation = await ctx.db.hostOperation.findUnique({ where: { id } })
    if (operation?.state === 'DONE') return
    if (!operation || operation.state === 'FAILED') throw failed(operation?.errorCode ?? 'operation_unknown')
    if (operation.deadlineAt.getTime() <= ctx.clock.now()) {
      // From now on whoever still works at it finds that it has ended.
      await ctx.db.hostOperation.updateMany({
        where: { id, finishedAt: null },
        data: { state: 'FAILED', errorCode: 'host_away', finishedAt: new Date(ctx.clock.now()) },
      })
      continue
    }
    await delay(lookMs, undefined, { signal })
  }
}

/** The archive that was handed over: a gzipped tar. It fails at its end when it is not what was stored. */
export async function readArchive({
  ctx,
  vault,
  store,
  input,
}: {
  ctx: Ctx
  vault: Vault
  store: Store
  input: { operationId: string }
}): Promise<Readable> {
  const { operationId: id } = input
  const { keyEncrypted } = await ctx.db.hostOperation.findUniqueOrThrow({ where: { id } })
  return readStored({ vault, store }, { name: storedArchive(id), keyEncrypted })
}

const failed = (code: string) =>
  new ServiceError(503, code, 'The host of the assistant did not hand over its files.', { retryable: true })
