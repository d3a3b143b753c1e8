import type { ToolAction, Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import { lockAssistant } from '../conversation/rows.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { withGoogle } from '../integration/access.ts'
import type { IntegrationCtx } from '../integration/ctx.ts'
import { findAct } from './catalogue.ts'

/** Longer than all of Google's timeouts of one try together. */
const leaseMs = 3 * 60_000
const maxAttempts = 5
const backoffMs = (attempts: number) => Math.min(2_000 * 3 ** (attempts - 1), 60_000)

/** Actions that were approved and that nobody is at; the oldest first. */
export async function dueActions({ ctx }: { ctx: IntegrationCtx }): Promise<{ id: string }[]> {
  const now = new Date(ctx.clock.now())
  return ctx.db.toolAction.findMany({
    where: { state: 'APPROVED', OR: [{ notBefore: null }, { notBefore: { lte: now } }] },
    orderBy: { createdAt: 'asc' },
    select: { id: true },
    take: 100,
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
  const tool = findAct(action.tool)
  try {
    const outcome = await withGoogle({
      ctx,
      input: { userId: action.userId, service: tool.service },
      work: async (api) => {
        // Read again by the schema: what is stored may be of an older release.
        const parsed = tool.input.parse(action.input)
        const reference = action.reference ?? (await prepare(ctx, action, () => tool.prepare?.(api, parsed)))
        action.reference = reference
        return tool.run(api, parsed, reference)
      },
    })
    await finish(ctx, action, { state: 'DONE', outcome })
    return { retryAfterMs: null }
  } catch (error) {
    const known = error instanceof ServiceError ? error : undefined
    if (known?.retryable && action.attempts < maxAttempts) {
      const retryAfterMs = Math.max(known.retryAfterMs ?? 0, backoffMs(action.attempts))
      const notBefore = new Date(ctx.clock.now() + retryAfterMs)
      await ctx.db.toolAction.updateMany({ where: heldBy(action), data: { notBefore } })
      return { retryAfterMs }
    }
    if (!known) ctx.log.error({ err: error, tool: tool.name }, 'an action failed')
    const { code = 'internal', detail = 'It did not work, and it is our fault.' } = known ?? {}
    const said = known?.retryable ? 'It is not certain that it was done.' : 'It was not done.'
    await finish(ctx, action, {
      state: 'FAILED',
      outcome: `${said} ${detail} (${code})`,
      errorCode: code,
    })
    return { retryAfterMs: null }
  }
}

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
  { id, userId, tool, summary }: ToolAction,
  { state, outcome, errorCode }: { state: 'DONE' | 'FAILED'; outcome: string; errorCode?: string },
) {
  const data = { tool, actionId: id, ...(errorCode !== undefined && { code: errorCode }) }
  await tx.auditEvent.create({
    data: { actor: 'assistant', action: `tool.${state.toLowerCase()}`, subject: `user:${userId}`, data },
  })
  const [what = ''] = summary.split('\n')
  const text = state === 'DONE' ? `Done: ${what}` : `That did not work: ${what}\n\n${outcome}`
  await sendNoticeIn(tx, ctx, { userId, code: `action_${state.toLowerCase()}`, text })
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
