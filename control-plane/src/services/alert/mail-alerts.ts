import type { Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction } from '../../context.ts'

/** Enqueues one mail within the transaction, at most once per `key`. */
export type SendAlertMail = (
  tx: Transaction,
  mail: { to: string; cause: string; detail: string; raisedAt: Date; key: string },
) => Promise<void>

/** Mails what was raised since the last time to every operator, and logs it. However many replicas do it, once each. */
export function mailAlerts({ ctx, send }: { ctx: Ctx; send: SendAlertMail }): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    const raised = await tx.alert.updateManyAndReturn({
      where: { mailedAt: null },
      data: { mailedAt: new Date(ctx.clock.now()) },
    })
    for (const { id, cause, detail, raisedAt } of raised) {
      ctx.log.warn({ cause, detail }, 'alert')
      for (const to of ctx.settings.operatorEmails) {
        await send(tx, { to, cause, detail, raisedAt, key: `alert:${id}:${to}` })
      }
    }
  })
}
