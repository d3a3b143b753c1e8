import type { ToolAction, Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import { lockAssistant } from '../conversation/rows.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { withGoogle } from '../integration/access.ts'
import type { IntegrationCtx } from '../integration/ctx.ts'
import { findAct } from './catalogue.ts'

/** A try has ended by then, one way or the other: only afterwards may another begin. */
const tryMs = 120_000
const leaseMs = tryMs + 60_000
const maxAttempts = 5
/** What was agreed to is not done out of the blue. */
const staleMs = 60 * 60_000
const maxRetryMs = 5 * 60_000
const backoffMs = (attempts: number) => Math.min(2_000 * 3 ** (attempts - 1), 60_000)

/** Actions that were approved and that nobody is at; the oldest first. */
export async function dueActions({
  ctx,
  input,
}: {
  ctx: IntegrationCtx
  input: { limit: number }
}): Promise<{ id: string }[]> {
  const now = new Date(ctx.clock.now())
  return ctx.db.toolAction.findMany({
    where: { state: 'APPROVED', OR: [{ notBefore: null }, { notBefore: { lte: now } }] },
    orderBy: { createdAt: 'asc' },
    select: { id: true },
    take: input.limit,
  })
}

/**
 * Does what a person agreed to. A lease keeps other replicas away; when this process dies in between, the next try
 * finds what was prepared, and does the same deed. `retryAfterMs` is null when nothing more is to be done here.
 */
export async function runAction({
  ctx,
  input,
}: {
  ctx: IntegrationCtx
  input: { id: string }
}): Promise<{ retryAfterMs: number | null }> {
  const action = await claim(ctx, input.id)
  if (!action) return { retryAfterMs: null }
  const tried = await attempt(ctx, action)
  if ('outcome' in tried) {
    // Not within the try: a deed that is done stays done when it cannot be noted, and the next try finds it so.
    await finish(ctx, action, { state: 'DONE', outcome: tried.outcome })
    return { retryAfterMs: null }
  }
  const { error, hasBegun } = tried
  const known = error instanceof ServiceError ? error : undefined
  if (!known) ctx.log.error({ err: error, tool: action.tool }, 'an action failed')
  // What is not ours to understand may pass, too.
  const mayPass = known ? known.retryable : true
  if (mayPass && action.attempts < maxAttempts && !isStale(ctx, action)) {
    const wanted = Math.max(known?.retryAfterMs ?? 0, backoffMs(action.attempts))
    const retryAfterMs = Math.min(wanted, maxRetryMs)
    const notBefore = new Date(ctx.clock.now() + retryAfterMs)
    await ctx.db.toolAction.updateMany({ where: heldBy(action), data: { notBefore } })
    return { retryAfterMs }
  }
  const { code = 'internal', detail = 'It is our fault.' } = known ?? {}
  // Only a first try that Google refused, or that never got to it, is known to have done nothing.
  const isCertain = action.attempts === 1 && (!hasBegun || (known?.status ?? 500) < 500)
  const said = isCertain
    ? 'It was not done.'
    : 'It is not certain whether it was done: look before you try again.'
  await finish(ctx, action, { state: 'FAILED', outcome: `${said} ${detail} (${code})`, errorCode: code })
  return { retryAfterMs: null }
}

/** One try; never throws. `hasBegun`: Google was asked to do it. */
async function attempt(
  ctx: IntegrationCtx,
  action: ToolAction,
): Promise<{ outcome: string } | { error: unknown; hasBegun: boolean }> {
  let hasBegun = false
  try {
    if (isStale(ctx, action))
      throw new ServiceError(410, 'too_late', 'Too much time has passed since you agreed.')
    if (action.attempts > maxAttempts) throw new ServiceError(503, 'gave_up', 'It was tried several times.')
    const tool = findAct(action.tool)
    const signal = AbortSignal.timeout(tryMs)
    const outcome = await withGoogle({
      ctx,
      input: { userId: action.userId, service: tool.service, signal },
      work: async (api) => {
        // Read again by the schema: what is stored may be of an older release.
        const parsed = tool.input.parse(action.input)
        action.reference ??= await prepare(ctx, action, () => tool.prepare?.(api, parsed))
        hasBegun = true
        const { reference, precondition } = action
        return tool.run(api, parsed, { reference, precondition })
      },
    })
    return { outcome }
  } catch (error) {
    return { error, hasBegun }
  }
}

const isStale = (ctx: IntegrationCtx, { decidedAt }: ToolAction) =>
  (decidedAt?.getTime() ?? 0) < ctx.clock.now() - staleMs

/** Each try has a number of its own: what an older one writes touches no row. */
const heldBy = ({ id, attempts }: Pick<ToolAction, 'id' | 'attempts'>) =>
  ({ id, attempts, state: 'APPROVED' }) as const

async function claim(ctx: IntegrationCtx, id: string): Promise<ToolAction | undefined> {
  const now = new Date(ctx.clock.now())
  const claimed = await ctx.db.toolAction.updateManyAndReturn({
    where: { id, state: 'APPROVED', OR: [{ notBefore: null }, { notBefore: { lte: now } }] },
    data: { attempts: { increment: 1 }, notBefore: new Date(now.getTime() + leaseMs) },
  })
  return claimed[0]
}

async function prepare(
  ctx: IntegrationCtx,
  action: ToolAction,
  choose: () => Promise<string> | undefined,
): Promise<string | null> {
  const reference = (await choose()) ?? null
  if (reference === null) return null
  const { count } = await ctx.db.toolAction.updateMany({ where: heldBy(action), data: { reference } })
  if (count === 0) throw new ServiceError(409, 'action_taken', 'Somebody else is at it.')
  return reference
}

async function finish(
  ctx: IntegrationCtx,
  action: ToolAction,
  data: { state: 'DONE' | 'FAILED'; outcome: string; errorCode?: string },
): Promise<void> {
  await inTransaction(ctx, async (tx) => {
    await lockAssistant(tx, action.userId)
    const finishedAt = new Date(ctx.clock.now())
    const { count } = await tx.toolAction.updateMany({ where: heldBy(action), data: { ...data, finishedAt } })
    if (count === 0) return
    await tell(tx, ctx, action, data)
    nudge(tx, 'actions', action.userId)
    nudge(tx, 'user', action.userId)
  })
}

/** The person hears it from us, whatever the assistant says of it. */
async function tell(
  tx: Transaction,
  ctx: IntegrationCtx,
  action: ToolAction,
  { state, outcome, errorCode }: { state: 'DONE' | 'FAILED'; outcome: string; errorCode?: string },
) {
  const { id, userId, tool } = action
  const data = { tool, actionId: id, ...(errorCode !== undefined && { code: errorCode }) }
  await tx.auditEvent.create({
    data: { actor: 'assistant', action: `tool.${state.toLowerCase()}`, subject: `user:${userId}`, data },
  })
  const what = whatItWas(action)
  const text = state === 'DONE' ? `Done: ${what}` : `That did not work: ${what}\n\n${outcome}`
  await sendNoticeIn(tx, ctx, { userId, code: `action_${state.toLowerCase()}`, text })
}

/** All of what nobody was asked about; else what they read a moment ago, without what it quotes. */
function whatItWas({ summary, createdAt, decidedAt }: ToolAction): string {
  const wasAsked = decidedAt?.getTime() !== createdAt.getTime()
  if (!wasAsked) return summary
  const lines = summary.split('\n')
  const quote = lines.findIndex((line) => line.startsWith('>'))
  return (quote < 0 ? lines : lines.slice(0, quote)).join('\n').trim()
}

/** Ends what nobody answered in time. */
export async function expireActions({ ctx }: { ctx: IntegrationCtx }): Promise<void> {
  const now = new Date(ctx.clock.now())
  await inTransaction(ctx, async (tx) => {
    const expired = await tx.toolAction.updateManyAndReturn({
      where: { state: 'ASKED', expiresAt: { lte: now } },
      data: { state: 'EXPIRED', finishedAt: now },
    })
    for (const { userId } of expired) nudge(tx, 'actions', userId)
    if (expired.length > 0) {
      await tx.auditEvent.createMany({
        data: expired.map(({ id, userId, tool }) => ({
          actor: 'system',
          action: 'tool.expired',
          subject: `user:${userId}`,
          data: { tool, actionId: id },
        })),
      })
    }
  })
}
