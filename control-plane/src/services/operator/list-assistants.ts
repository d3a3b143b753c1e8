import type { AssistantStatus } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'

export interface AssistantLine {
  userId: string
  email: string
  status: AssistantStatus
  host: string | null
  model: string
  /** Empty = not suspended. */
  suspendedFor: string[]
  lastErrorCode: string | null
  /** ISO 8601; of the latest change of its row. */
  updatedAt: string
}

const mostLines = 500

/** The assistants that there are, or are on their way, the latest changed first; at most 500. */
export async function listAssistants({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { host?: string | undefined; status?: AssistantStatus | undefined; suspended?: boolean | undefined }
}): Promise<AssistantLine[]> {
  const rows = await ctx.db.assistant.findMany({
    where: {
      status: input.status ?? { not: 'NONE' },
      ...(input.host !== undefined && { host: { name: input.host } }),
      ...(input.suspended !== undefined && { suspendedAt: input.suspended ? { not: null } : null }),
    },
    include: { user: { select: { email: true } }, host: { select: { name: true } } },
    orderBy: { updatedAt: 'desc' },
    take: mostLines,
  })
  return rows.map((row) => ({
    userId: row.userId,
    email: row.user.email,
    status: row.status,
    host: row.host?.name ?? null,
    model: row.model,
    suspendedFor: row.suspendedReasons,
    lastErrorCode: row.lastErrorCode,
    updatedAt: row.updatedAt.toISOString(),
  }))
}
