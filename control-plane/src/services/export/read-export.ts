import type { ExportStatus } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'

/** What a person sees of their newest export. */
export interface ExportView {
  status: 'NONE' | ExportStatus
  id?: string
  /** A word for the person: queued, workspace, packing, storing, ready. */
  step?: string
  percent?: number
  sizeBytes?: number
  requestedAt?: string
  /** Of a file that is ready: until when it can be fetched. */
  expiresAt?: string
  errorCode?: string
}

/** The newest export; NONE without one. */
export async function readExport({
  ctx,
  input,
}: {
  ctx: Pick<Ctx, 'db'>
  input: { userId: string }
}): Promise<ExportView> {
  const newest = await ctx.db.export.findFirst({
    where: { userId: input.userId },
    orderBy: { createdAt: 'desc' },
  })
  if (newest === null) return { status: 'NONE' }
  const { id, status, step, percent, sizeBytes, errorCode, createdAt, expiresAt } = newest
  return {
    status,
    id,
    step,
    percent,
    requestedAt: createdAt.toISOString(),
    ...(sizeBytes !== null && { sizeBytes: Number(sizeBytes) }),
    ...(expiresAt !== null && { expiresAt: expiresAt.toISOString() }),
    ...(errorCode !== null && { errorCode }),
  }
}
