import { inTransaction, nudge } from '../../context.ts'
import { dayMs, plan } from '../../plan.ts'
import type { ConversationCtx } from './ctx.ts'
import { requestTurn } from './receive-message.ts'
import { lockAssistant } from './rows.ts'
import { sendNoticeIn } from './send-notice.ts'
import { endStopped } from './stop-turn.ts'
import { texts } from './texts.ts'

const longWaitMs = 60_000
const batchSize = 200
/** What was told this long ago may be told again. */
const noticeRetentionMs = plan.leftoverDays * dayMs

/** What nudges missed: messages without a turn get one, long waits are told once (M5), hosts with work are woken. */
export async function sweep({ ctx }: { ctx: ConversationCtx }): Promise<void> {
  await coverUnanswered(ctx)
  await tellLongWaits(ctx)
  await endStopped({ ctx })
  await wakeHosts(ctx)
  const forgetBefore = new Date(ctx.clock.now() - noticeRetentionMs)
  await ctx.db.notice.deleteMany({ where: { createdAt: { lt: forgetBefore } } })
  await ctx.db.question.deleteMany({ where: { expiresAt: { lt: forgetBefore } } })
}

async function coverUnanswered(ctx: ConversationCtx) {
  const rows = await ctx.db.$queryRaw<{ userId: string }[]>`
    SELECT DISTINCT m.user_id AS "userId" FROM messages m JOIN assistants a ON a.user_id = m.user_id
    WHERE m.direction = 'INBOUND' AND m.state = 'RECEIVED' AND m.turn_id IS NULL
      AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.assistant_id = a.id AND t.state = 'PENDING')
    LIMIT ${batchSize}`
  await forEach(ctx, rows, ({ userId }) =>
    inTransaction(ctx, async (tx) => {
      const assistant = await lockAssistant(tx, userId)
      const where = { userId, direction: 'INBOUND', state: 'RECEIVED', turnId: null } as const
      if (assistant && (await tx.message.count({ where })) > 0) {
        await requestTurn(tx, assistant, new Date(ctx.clock.now()))
      }
    }),
  )
}

/** A turn that waits for its host counts; one that waits for the assistant's running turn does not. */
async function tellLongWaits(ctx: ConversationCtx) {
  const now = new Date(ctx.clock.now())
  const before = new Date(now.getTime() - longWaitMs)
  const rows = await ctx.db.$queryRaw<{ turnId: string; userId: string }[]>`
    SELECT t.id AS "turnId", a.user_id AS "userId" FROM turns t JOIN assistants a ON a.id = t.assistant_id
    LEFT JOIN host_sessions s ON s.host_id = t.host_server_id
    WHERE t.created_at <= ${before} AND a.suspended_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM notices n
        WHERE n.scope = a.user_id::text AND n.kind = 'long_wait' AND n.key = t.id::text)
      AND ((t.state = 'RUNNING' AND t.cancel_requested_at IS NULL AND (s.host_id IS NULL OR s.lease_expires_at <= ${before}))
        OR (t.state = 'PENDING' AND NOT EXISTS (
          SELECT 1 FROM turns r WHERE r.assistant_id = a.id AND r.state = 'RUNNING')))
    LIMIT ${batchSize}`
  await forEach(ctx, rows, ({ turnId, userId }) =>
    inTransaction(ctx, async (tx) => {
      await lockAssistant(tx, userId)
      const turn = await tx.turn.findUnique({ where: { id: turnId }, select: { state: true } })
      if (turn?.state !== 'PENDING' && turn?.state !== 'RUNNING') return
      const once = { kind: 'long_wait', key: turnId }
      await sendNoticeIn(tx, ctx, { userId, code: 'long_wait', text: texts.longWait, once })
    }),
  )
}

/** One that fails is looked at again in the next sweep, and keeps nobody else waiting (F8). */
async function forEach<T>(ctx: ConversationCtx, items: T[], work: (item: T) => Promise<unknown>) {
  for (const item of items) {
    await work(item).catch((err: unknown) => ctx.log.error({ err }, 'one item of the sweep failed'))
  }
}

async function wakeHosts(ctx: ConversationCtx) {
  const rows = await ctx.db.$queryRaw<{ hostId: string }[]>`
    SELECT DISTINCT a.host_server_id AS "hostId" FROM turns t JOIN assistants a ON a.id = t.assistant_id
    WHERE t.state IN ('PENDING', 'RUNNING') AND a.host_server_id IS NOT NULL`
  await inTransaction(ctx, async (tx) => {
    for (const { hostId } of rows) nudge(tx, 'turns', hostId)
  })
}
