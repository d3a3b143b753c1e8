import path from 'node:path'
import type { Export, Prisma } from '@yourclaw/db'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import { dayMs, plan } from '../../plan.ts'
import type { Store } from '../../storage/store.ts'
import { inWorkingFolder } from '../../storage/working-folder.ts'
import { awaitArchive, readArchive } from '../host-operation/await-archive.ts'
import { requestArchive } from '../host-operation/request-archive.ts'
import { enqueueMail } from '../mail/enqueue-mail.ts'
import { attachedFiles } from './attached-files.ts'
import { type ExportFile, exportContents } from './contents.ts'
import { packExport } from './pack-export.ts'
import { storedExport } from './stored-export.ts'

/** How long a host that is away is waited for. */
const archiveDeadlineMs = 10 * 60_000

/** The address that the mail carries: whoever has it can fetch the file until then. */
export type ExportLink = (exportId: string, expiresAt: Date) => Promise<string>

interface BuildDeps {
  ctx: Ctx
  vault: Vault
  store: Store
  link: ExportLink
}

/**
 * Makes an export and mails the link to it: waits for the assistant's files, packs everything, stores it. Safe to repeat
 * from the beginning; one that has ended, or whose person is leaving, is left as it is.
 * Errors: host_away and the host's own codes (retryable).
 */
export async function buildExport({
  input,
  ...deps
}: BuildDeps & { input: { exportId: string; signal: AbortSignal } }): Promise<void> {
  const { exportId } = input
  const { ctx, vault, store } = deps
  const found = await ctx.db.export.findUnique({ where: { id: exportId } })
  if (found === null || found.finishedAt !== null) return
  const { userId } = found
  const report = (data: Prisma.ExportUpdateInput) => reportProgress(ctx, found, data)
  await report({ status: 'RUNNING', step: 'workspace', percent: 5 })
  const archive = await getArchive(deps, userId, input.signal)

  await report({ step: 'packing', percent: 40 })
  const total = await ctx.db.message.count({ where: { userId } })
  const onMessages = (written: number) => {
    const percent = 40 + Math.floor((Math.min(written, total) / Math.max(total, 1)) * 45)
    report({ percent }).catch((err: unknown) => ctx.log.warn({ err }, 'progress could not be told'))
  }
  const files: ExportFile[] = exportContents(ctx, userId, onMessages)
  files.push(...(await attachedFiles({ ctx, vault, store, input: { userId } })))
  if (archive) {
    const open = () => readArchive({ ctx, vault, store, input: archive })
    files.push({ name: 'assistant.tar.gz', open })
  }
  await inWorkingFolder(async (folder) => {
    const destination = path.join(folder, 'export')
    const key = Buffer.from(await vault.open(found.keyEncrypted), 'base64')
    const { sizeBytes } = await packExport({ files, key, destination, signal: input.signal })
    await report({ step: 'storing', percent: 90 })
    await store.put(storedExport(exportId), destination)
    if (!(await finish(deps, found, sizeBytes))) await store.delete(storedExport(exportId))
  })
}

/** Null for whoever has no assistant, or one that never came up. */
async function getArchive({ ctx, vault }: BuildDeps, userId: string, signal: AbortSignal) {
  const asked = await requestArchive({ ctx, vault, input: { userId, deadlineMs: archiveDeadlineMs } })
  if (asked === null) return null
  try {
    await awaitArchive({ ctx, input: { ...asked, signal } })
    return asked
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'no_state') return null
    throw error
  }
}

/** Progress is for showing: an export that has ended meanwhile keeps what it says. */
function reportProgress(ctx: Ctx, { id, userId }: Export, data: Prisma.ExportUpdateInput): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    await tx.export.updateMany({ where: { id, finishedAt: null }, data })
    nudge(tx, 'user', userId)
  })
}

/** False when the person left while it was made: then nothing of it may stay. */
async function finish({ ctx, link }: BuildDeps, { id, userId }: Export, sizeBytes: number): Promise<boolean> {
  const now = ctx.clock.now()
  const expiresAt = new Date(now + plan.exportDays * dayMs)
  const url = await link(id, expiresAt)
  return inTransaction(ctx, async (tx) => {
    const user = await tx.user.findUnique({ where: { id: userId } })
    if (user === null || user.deletionRequestedAt !== null) return false
    const { count } = await tx.export.updateMany({
      where: { id, finishedAt: null },
      data: { status: 'READY', step: 'ready', percent: 100, sizeBytes, finishedAt: new Date(now), expiresAt },
    })
    if (count === 0) return false
    const { email: to, name, timeZone } = user
    const props = { name, timeZone, url, expiresAt: expiresAt.toISOString() }
    await enqueueMail({ tx, to, template: 'export-ready', props, key: `export-ready:${id}` })
    nudge(tx, 'user', userId)
    return true
  })
}

/** Gives an export up, with the reason that its person sees. */
export async function failExport({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { exportId: string; error: unknown }
}): Promise<void> {
  const { exportId: id, error } = input
  const errorCode = error instanceof ServiceError ? error.code : 'internal'
  await inTransaction(ctx, async (tx) => {
    const finishedAt = new Date(ctx.clock.now())
    const data = { status: 'FAILED', step: 'failed', errorCode, finishedAt } as const
    const [failed] = await tx.export.updateManyAndReturn({ where: { id, finishedAt: null }, data })
    if (failed) nudge(tx, 'user', failed.userId)
  })
}
