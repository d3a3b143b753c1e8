import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TurnFile } from '@yourclaw/proto/host/v1'

/** A host that is told what this means: files come before a turn's input. */
export const turnFilesCapability = 'turn-files'

/** What of a turn's files became part of it. */
export interface HandedOver {
  /** data: addresses of the pictures that the model sees. */
  images: string[]
  /** Paths in the workspace where a file should be and is not. */
  missing: string[]
}

/** The files of one attempt on their way: kept on the agent's own disk until the assistant is asked. */
export interface TurnFiles {
  begin(file: TurnFile): Promise<void>
  write(chunk: Uint8Array): Promise<void>
  /**
   * Puts each where it belongs; `place` writes into the workspace. What fails is missing, and the turn goes on. Rejects at
   * once when `signal` aborts.
   */
  handOver(
    place: (path: string, sourceFile: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<HandedOver>
  /** What still comes afterwards is not kept. */
  discard(): Promise<void>
}

interface Staged {
  file: TurnFile
  path: string
  handle: FileHandle
  written: bigint
}

export function createTurnFiles(dir: string, onFailure: (error: unknown) => void): TurnFiles {
  const folder = join(dir, randomUUID())
  const staged: Staged[] = []
  let isOver = false
  let busy: Promise<unknown> = Promise.resolve()

  /** Nothing is written behind the back of `discard`. */
  function next(work: () => Promise<void>): Promise<void> {
    const done = busy.then(() => (isOver ? undefined : work()))
    busy = done.catch(() => {})
    return done
  }

  async function handOverOne({ file, path, written }: Staged, place: Parameters<TurnFiles['handOver']>[0]) {
    if (written !== file.sizeBytes) throw new Error('a file did not come whole')
    if (file.path !== '') return place(file.path, path)
    return `data:${file.mimeType};base64,${(await readFile(path)).toString('base64')}`
  }

  return {
    begin: (file) =>
      next(async () => {
        await staged.at(-1)?.handle.close()
        await mkdir(folder, { recursive: true, mode: 0o700 })
        const path = join(folder, String(staged.length))
        staged.push({ file, path, handle: await open(path, 'wx', 0o600), written: 0n })
      }),
    write: (chunk) =>
      next(async () => {
        const last = staged.at(-1)
        if (!last || last.written >= last.file.sizeBytes) return
        last.written += BigInt(chunk.length)
        await last.handle.write(chunk)
      }),
    async handOver(place, signal) {
      await staged.at(-1)?.handle.close()
      const found: HandedOver = { images: [], missing: [] }
      for (const one of staged) {
        try {
          const image = await unlessAborted(handOverOne(one, place), signal)
          if (image !== undefined) found.images.push(image)
        } catch (error) {
          signal.throwIfAborted()
          onFailure(error)
          found.missing.push(one.file.path || 'a picture')
        }
      }
      return found
    },
    async discard() {
      isOver = true
      await busy
      for (const { handle } of staged) await handle.close().catch(() => {})
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** What was begun ends by itself; nobody waits for it any more. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const leave = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', leave)
  if (signal.aborted) leave()
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', leave)
    work.catch(() => {})
  }
}
