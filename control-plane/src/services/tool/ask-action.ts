import { type Prisma, Prisma as sql, type Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import { tooManyRequests } from '../../errors.ts'
import { dayMs } from '../../plan.ts'
import type { Recipient } from '../conversation/ctx.ts'
import { lockAssistant } from '../conversation/rows.ts'
import { lastAddress } from '../conversation/send-notice.ts'
import { withGoogle } from '../integration/access.ts'
import type { IntegrationCtx } from '../integration/ctx.ts'
import { askIn } from '../question/ask.ts'
import { actionOptions } from './decide-action.ts'
import { plain } from './quoting.ts'
import type { ActTool } from './tool.ts'

/** How long a person may take. */
export const actionLifeMs = 10 * 60_000
/** What one person is asked about at once. */
const maxOpen = 5
/** What one assistant does, or asks for, in 24 hours. */
const maxPerDay = 200
/** So long the same call means the deed that was done. */
const sameForMs = 10 * 60_000

/**
 * Stores what an assistant wants to do and asks its person, in the chat where they are; what they allowed for good is
 * approved at once. The same call again, while it is open or shortly after it was done, is the same action. Errors: too_many_requests (429), and those of `describe`.
 */
export async function askAction({
  ctx,
  input,
}: {
  ctx: IntegrationCtx
  input: { userId: string; tool: ActTool; parsed: unknown }
}): Promise<{ id: string; isNew: boolean }> {
  const { userId, tool, parsed } = input
  const service = { userId, service: tool.service }
  const person = await ctx.db.user.findUniqueOrThrow({ where: { id: userId }, select: { timeZone: true } })
  const { text: summary, precondition = null } = await withGoogle({
    ctx,
    input: service,
    work: (api) => tool.describe(api, parsed, person),
  })
  const now = ctx.clock.now()
  const { accountEmail: account } = await ctx.db.userIntegration.findUniqueOrThrow({
    where: { userId_service: service },
    select: { accountEmail: true },
  })
  return inTransaction(ctx, async (tx) => {
    await lockAssistant(tx, userId)
    const same = await findSame(tx, { userId, tool: tool.name, parsed, now })
    if (same) return { id: same, isNew: false }
    const since = new Date(now - dayMs)
    if ((await tx.toolAction.count({ where: { userId, createdAt: { gt: since } } })) >= maxPerDay)
      throw tooManyRequests(60 * 60_000)
    const open = await tx.toolAction.count({
      where: { userId, state: { in: ['ASKED', 'APPROVED'] }, expiresAt: { gt: new Date(now) } },
    })
    if (open >= maxOpen) throw tooManyRequests(60_000)
    const allowed = await tx.toolPermission.count({ where: { userId, tool: tool.name } })
    const { id } = await tx.toolAction.create({
      data: {
        userId,
        tool: tool.name,
        input: parsed as Prisma.InputJsonValue,
        summary,
        precondition,
        state: allowed > 0 ? 'APPROVED' : 'ASKED',
        ...(allowed > 0 && { decidedAt: new Date(now) }),
        createdAt: new Date(now),
        expiresAt: new Date(now + actionLifeMs),
      },
    })
    await tx.auditEvent.create({
      data: {
        actor: 'assistant',
        action: allowed > 0 ? 'tool.begun_on_permission' : 'tool.asked',
        subject: `user:${userId}`,
        data: { tool: tool.name, actionId: id },
      },
    })
    if (allowed > 0) nudge(tx, 'actions', userId)
    else {
      await askIn(tx, ctx, {
        userId,
        to: await whereTheyAre(tx, ctx, userId),
        kind: 'tool_action',
        prompt: `Your assistant asks. In the Google account ${plain(account)}:\n\n${summary}`,
        options: actionOptions(tool),
        subject: { actionId: id },
        expiresInMs: actionLifeMs,
      })
    }
    return { id, isNew: true }
  })
}

/**
 * The same call again is the same deed: of a turn that was tried once more, of a link that broke, of a model that is not
 * sure. Only under the assistant's lock.
 */
async function findSame(
  tx: Transaction,
  { userId, tool, parsed, now }: { userId: string; tool: string; parsed: unknown; now: number },
): Promise<string | undefined> {
  const [same] = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM tool_actions
    WHERE user_id = ${userId}::uuid AND tool = ${tool} AND input = ${JSON.stringify(parsed)}::jsonb
      AND ((state = 'ASKED' AND expires_at > ${new Date(now)}) OR state = 'APPROVED'
        OR (state = 'DONE' AND finished_at > ${new Date(now - sameForMs)}))
    ORDER BY created_at DESC LIMIT 1`
  return same?.id
}

/** Where the turn that runs came from; else where they wrote last. */
async function whereTheyAre(tx: Transaction, ctx: IntegrationCtx, userId: string): Promise<Recipient> {
  const [current] = await tx.$queryRaw<Recipient[]>(sql.sql`
    SELECT m.channel::text, m.address FROM messages m JOIN turns t ON t.id = m.turn_id
    WHERE m.user_id = ${userId}::uuid AND m.direction = 'INBOUND' AND t.state = 'RUNNING'
    ORDER BY m.seq DESC LIMIT 1`)
  return current ?? lastAddress(tx, ctx, userId)
}
