import { z } from 'zod'
import type { Ctx } from '../../context.ts'
import { type AssistantView, getAssistant } from '../assistant/get-assistant.ts'
import { findUser } from './find-user.ts'
import type { LimitName } from './limit-assistant.ts'

const recent = 10

/** What an operator sees of one person's assistant: never a message, a key or a token. Times are ISO 8601. */
export interface AssistantInspection extends AssistantView {
  userId: string
  email: string
  assistantId: string | null
  observedGeneration: number
  containerId: string | null
  /** Bounds of its own; null = what hosts give everybody. */
  limits: Record<LimitName, number | null>
  /** By digest; null = what its host runs by default. */
  image: string | null
  /** The operator's own words. */
  suspendedNote: string | null
  subscription: string | null
  /** Messages that nobody has answered yet. */
  waitingMessages: number
  /** The latest changes, newest first. */
  changes: {
    at: string
    generation: number
    kind: string
    status: string
    step: string
    error: string | null
  }[]
  /** What operators did, newest first. */
  audit: { at: string; actor: string; action: string; reason: string | null }[]
}

/** Errors: unknown_user. */
export async function inspectAssistant({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { user: string }
}): Promise<AssistantInspection> {
  const { id: userId, email } = await findUser(ctx.db, input.user)
  const [view, row, subscription, waitingMessages, audit] = await Promise.all([
    getAssistant({ ctx, input: { userId } }),
    ctx.db.assistant.findUnique({
      where: { userId },
      include: { jobs: { orderBy: { generation: 'desc' }, take: recent } },
    }),
    ctx.db.subscription.findFirst({ where: { userId }, orderBy: { createdAt: 'desc' } }),
    ctx.db.message.count({ where: { userId, direction: 'INBOUND', state: 'RECEIVED' } }),
    ctx.db.auditEvent.findMany({
      where: { subject: `user:${userId}` },
      orderBy: { createdAt: 'desc' },
      take: recent,
    }),
  ])
  return {
    userId,
    email,
    ...view,
    assistantId: row?.id ?? null,
    observedGeneration: row?.observedGeneration ?? 0,
    containerId: row?.containerId ?? null,
    limits: {
      memoryMb: row?.memoryMb ?? null,
      cpuMillis: row?.cpuMillis ?? null,
      pids: row?.pids ?? null,
      logMb: row?.logMb ?? null,
    },
    image: row?.image ?? null,
    suspendedNote: row?.suspendedReason ?? null,
    subscription: subscription?.status ?? null,
    waitingMessages,
    changes: (row?.jobs ?? []).map(({ createdAt, generation, kind, status, step, lastError }) => ({
      at: createdAt.toISOString(),
      generation,
      kind,
      status,
      step,
      error: lastError,
    })),
    audit: audit.map(({ createdAt, actor, action, data }) => {
      const { reason } = reasonSchema.parse(data)
      return { at: createdAt.toISOString(), actor, action, reason: reason ?? null }
    }),
  }
}

const reasonSchema = z.object({ reason: z.string().optional() }).catch({})
