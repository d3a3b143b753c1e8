import type { AssistantStatus, JobStatus } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { defaultAt } from '../model/catalogue.ts'

export interface AssistantView {
  status: AssistantStatus
  /** When it was asked for; absent without one. */
  createdAt?: string
  model: string
  generation: number
  host?: string
  lastError?: { code: string; detail: string }
  /** Since when it is stopped, its data kept, and the codes of why. */
  suspended?: { since: string; reasons: string[] }
  job?: { id: string; status: JobStatus; attempts: number; step: string }
}

/** The owner's view of their assistant and of its latest change; status NONE when there never was one. */
export async function getAssistant({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string }
}): Promise<AssistantView> {
  const assistant = await ctx.db.assistant.findUnique({
    where: { userId: input.userId },
    include: {
      host: { select: { name: true } },
      jobs: { orderBy: { generation: 'desc' }, take: 1 },
      changes: { where: { kind: 'CREATE' }, orderBy: { generation: 'desc' }, take: 1 },
    },
  })
  if (!assistant) return { status: 'NONE', model: defaultAt(ctx.clock.now()), generation: 0 }
  const [job] = assistant.jobs
  const [created] = assistant.changes
  return {
    status: assistant.status,
    ...(created && assistant.status !== 'NONE' && { createdAt: created.createdAt.toISOString() }),
    model: assistant.model,
    generation: assistant.desiredGeneration,
    ...(assistant.host && { host: assistant.host.name }),
    ...(assistant.lastErrorCode && {
      lastError: { code: assistant.lastErrorCode, detail: assistant.lastErrorDetail ?? '' },
    }),
    ...(assistant.suspendedAt && {
      suspended: { since: assistant.suspendedAt.toISOString(), reasons: assistant.suspendedReasons },
    }),
    ...(job && { job: { id: job.id, status: job.status, attempts: job.attempts, step: job.step } }),
  }
}
