import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attachment, Prisma } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import type { Store } from '../../storage/store.ts'
import { sourceSchema, storedAttachment } from './attachment.ts'
import { takeShare } from './day-share.ts'
import { detectType } from './detect-type.ts'
import { fileLimits } from './limits.ts'
import { counted, sealFile } from './seal-file.ts'
import { type FileSources, SourceError } from './sources.ts'

/** How long is waited for what providers keep. */
export interface Patience {
  /** Without a byte. */
  silenceMs: number
  /** For one file, however often it is tried: twenty megabytes over a slow line. */
  fileMs: number
  /** For all of a turn's files, and for whoever listens to them: none that hangs keeps the answer. */
  turnMs: number
}

export const patience: Patience = { silenceMs: 10_000, fileMs: 60_000, turnMs: 120_000 }
const pausesMs = [500, 2_000]

export interface FetchDeps {
  ctx: Pick<Ctx, 'db' | 'clock' | 'log'>
  vault: Vault
  store: Store
  sources: FileSources
  /** Absent = `patience`. */
  patience?: Patience
}

/** One try of a file. */
export interface Try {
  /** Nobody wants it any more. */
  signal: AbortSignal
  /** It is waited for no longer. */
  late: AbortSignal
  isLast: boolean
}

/**
 * WAITING → STORED | FAILED: fetches a file of an incoming message once, and keeps it, as far as the person's day has room
 * for it. What it is, its content says. Two replicas that do it at once store the same under the same key. Unless it is
 * the last try, it stays WAITING where the day has no room beside what others hold. Throws only when `signal` aborts, or
 * what is ours fails.
 */
export async function fetchFile(deps: FetchDeps, row: Attachment, once: Try): Promise<Attachment> {
  const { ctx } = deps
  const where = { id: row.id, state: 'WAITING' } as const
  const data = await fetchOnce(deps, row, once).catch((error: unknown) => {
    if (once.signal.aborted) throw error
    const code = codeOf(error)
    ctx.log.warn({ attachmentId: row.id, code }, 'a file was not taken')
    return { state: 'FAILED' as const, code }
  })
  if (!data) return row
  const { count } = await ctx.db.attachment.updateMany({ where, data })
  const now = await ctx.db.attachment.findUniqueOrThrow({ where: { id: row.id } })
  // Refused, or over, while it came: whoever removed its file may have been before us.
  if (count === 0 && now.state === 'EXPIRED') await deps.store.delete(storedAttachment(row.id))
  return now
}

function codeOf(error: unknown): string {
  if (error instanceof SourceError) return error.code
  if (error instanceof ServiceError && ['file_too_large', 'file_empty'].includes(error.code))
    return error.code
  throw error
}

async function fetchOnce(deps: FetchDeps, row: Attachment, once: Try) {
  const declared = row.sizeBytes === null ? undefined : Number(row.sizeBytes)
  if ((declared ?? 0) > fileLimits.inbound) throw new SourceError('file_too_large')
  const wanted = declared || fileLimits.inbound
  const share = await takeShare({ ctx: deps.ctx, input: { userId: row.userId, share: 'in', wanted } })
  // What came counts, whatever became of it.
  const read = { bytes: 0 }
  try {
    if (share.granted < wanted && !once.isLast) return undefined
    if (share.granted === 0 || share.granted < (declared ?? 0)) throw new SourceError('files_day_limit')
    return await fetchWithin(deps, row, { ...once, maxBytes: share.granted, read })
  } catch (error) {
    const isOver = error instanceof ServiceError && error.code === 'file_too_large'
    if (!isOver || share.granted === fileLimits.inbound) throw error
    // More than its provider said of it, or than the day has left.
    throw new SourceError(declared ? 'file_unavailable' : 'files_day_limit')
  } finally {
    await share.settle(read.bytes)
  }
}

async function fetchWithin(
  { ctx, vault, store, sources, patience: { silenceMs, fileMs } = patience }: FetchDeps,
  row: Attachment,
  { maxBytes, read, signal, late }: Try & { maxBytes: number; read: { bytes: number } },
) {
  const source = sourceSchema.parse(row.source)
  const key = Buffer.from(await vault.open(await keyOf(ctx, vault, row.id)), 'base64')
  const silence = listenTo(silenceMs)
  const within = AbortSignal.any([signal, late, silence.signal, AbortSignal.timeout(fileMs)])
  for (let attempt = 0; ; attempt += 1) {
    try {
      within.throwIfAborted()
      const opened = await silence.heard(sources.open(source, within))
      const bytes = counted(broken(opened, silence.heard), read)
      const name = storedAttachment(row.id)
      const { sizeBytes, head } = await sealFile({ store, name, key, bytes, maxBytes, signal: within })
      const { mimeType, kind } = await detectType(head, row.mimeType)
      const isSticker = row.kind === 'STICKER' && kind === 'IMAGE'
      return { state: 'STORED' as const, mimeType, sizeBytes, kind: isSticker ? row.kind : kind }
    } catch (caught) {
      const isLate = within.aborted && !signal.aborted
      const error = isLate ? new SourceError('file_unavailable', { cause: caught }) : caught
      const waitMs = error instanceof SourceError && error.isPassing ? pausesMs[attempt] : undefined
      if (waitMs === undefined || signal.aborted) throw error
      await pause(waitMs, undefined, { signal })
    }
  }
}

type Heard = <T>(word: Promise<T>) => Promise<T>

/** Aborts once something that was to be heard did not come for so long. */
function listenTo(silenceMs: number): { signal: AbortSignal; heard: Heard } {
  const silence = new AbortController()
  return {
    signal: silence.signal,
    heard(word) {
      const timer = setTimeout(() => silence.abort(), silenceMs)
      return word.finally(() => clearTimeout(timer))
    },
  }
}

/** A connection that breaks, or is late, is the provider's failure and not ours. */
async function* broken(bytes: AsyncIterable<Uint8Array>, heard: Heard): AsyncGenerator<Uint8Array> {
  const from = bytes[Symbol.asyncIterator]()
  for (;;) {
    const next = await heard(from.next()).catch((cause: unknown) => {
      throw new SourceError('file_unavailable', { isPassing: true, cause })
    })
    if (next.done) return
    yield next.value
  }
}

/** The first to come decides on the key. */
async function keyOf({ db }: FetchDeps['ctx'], vault: Vault, id: string): Promise<string> {
  const sealed = await vault.seal(randomBytes(32).toString('base64'))
  const [row] = await db.$queryRaw<{ key: string }[]>(Prisma.sql`
    UPDATE attachments SET key_encrypted = coalesce(key_encrypted, ${sealed}) WHERE id = ${id}::uuid
    RETURNING key_encrypted AS key`)
  if (!row) throw new SourceError('file_unavailable')
  return row.key
}
