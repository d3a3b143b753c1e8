import { inTransaction } from '../../context.ts'
import { formatMoment } from '../../mail/format.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { texts } from '../conversation/texts.ts'
import { readBalances } from './balance.ts'

/** Less buys nothing: a call of the cheapest model costs about as much. */
const nothingMicros = 1_000n

/**
 * Tells somebody that most of their credit, or of their month's cap, is spent, and again when all of it is; each once
 * for a credit (until more is added) and once for a month and cap.
 */
export async function tellSpending({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: { userId: string }
}): Promise<void> {
  const { userId } = input
  await inTransaction(ctx, async (tx) => {
    const balance = (await readBalances(tx, [userId], new Date(ctx.clock.now()))).get(userId)
    if (!balance) return
    const { remainingMicros, monthSpentMicros, monthlyCapMicros, monthEndsAt } = balance
    const { webUrl } = ctx.settings
    const tell = (code: string, key: string, text: string) =>
      sendNoticeIn(tx, ctx, { userId, code, text, once: { kind: code, key } })

    const added = await tx.creditEntry.findFirst({
      where: { userId, amountMicros: { gt: 0 } },
      // Ids are in the order of the database's own clock.
      orderBy: { id: 'desc' },
    })
    if (added) {
      const after = await tx.creditEntry.aggregate({
        where: { userId, id: { gt: added.id }, amountMicros: { lt: 0 } },
        _sum: { amountMicros: true },
      })
      const spent = -(after._sum.amountMicros ?? 0n)
      if (remainingMicros < nothingMicros) await tell('credit_spent', added.id, texts.creditSpent(webUrl))
      else if (spent * 5n >= (remainingMicros + spent) * 4n)
        await tell('credit_low', added.id, texts.creditLow(webUrl))
    }
    if (monthlyCapMicros === null) return
    const key = `${monthEndsAt.toISOString()}:${monthlyCapMicros}`
    const { timeZone } = await tx.user.findUniqueOrThrow({
      where: { id: userId },
      select: { timeZone: true },
    })
    const until = formatMoment(monthEndsAt, timeZone)
    if (monthlyCapMicros - monthSpentMicros < nothingMicros)
      await tell('month_cap_reached', key, texts.monthCapReached(webUrl, until))
    else if (monthSpentMicros * 5n >= monthlyCapMicros * 4n)
      await tell('month_cap_near', key, texts.monthCapNear(webUrl))
  })
}
